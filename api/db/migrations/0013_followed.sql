-- How long a job was waited for at the provider: the waits between the looks, added up. It is the limit in place of `deadline_at`, which nobody
-- reads any more: a clock that jumps by hours made it true at once.
ALTER TABLE generations ADD COLUMN followed_ms BIGINT;
