-- The name of the request that asked for it, under which the log has the whole story. NULL in rows of before.
ALTER TABLE generations ADD COLUMN request_id TEXT;
ALTER TABLE deliveries ADD COLUMN request_id TEXT;
