-- The platform's own words beside `reason`, which is a name of a closed list from now on. Rows of before have
-- their words in `reason`, and NULL here.
ALTER TABLE deliveries ADD COLUMN said TEXT;
