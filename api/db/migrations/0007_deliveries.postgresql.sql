-- The old table took its indexes with it.
CREATE INDEX deliveries_broadcast ON deliveries (broadcast_id, state) WHERE broadcast_id IS NOT NULL;
CREATE INDEX deliveries_pending ON deliveries (platform, id) WHERE state = 'pending';
CREATE INDEX deliveries_owner ON deliveries (user_id, id DESC);
CREATE INDEX deliveries_troubled ON deliveries (state, id DESC) WHERE state <> 'done';
CREATE INDEX deliveries_generation ON deliveries (generation_id);
CREATE INDEX platform_files_generation ON platform_files (generation_id);
