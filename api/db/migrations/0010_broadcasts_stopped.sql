-- When an admin stopped it; NULL: nobody did.
ALTER TABLE broadcasts ADD COLUMN stopped_at TIMESTAMPTZ;
