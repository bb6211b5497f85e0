-- What its person could spend in the month: by it a failure that was billed is given back. NULL for holds of before.
ALTER TABLE holds ADD COLUMN limit_micro BIGINT;
