-- From which price on a request has to be confirmed; NULL = never.
ALTER TABLE users ADD COLUMN confirm_micro BIGINT;
