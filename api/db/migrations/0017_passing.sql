-- From when on results of other requests may go before this one, which waits for its next try; NULL: they may not.
ALTER TABLE deliveries ADD COLUMN passable_at TIMESTAMPTZ;
