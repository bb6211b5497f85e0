CREATE INDEX media_copies ON media (copy_of) WHERE copy_of IS NOT NULL;
