-- The time for which the model thought before an answer. NULL: it did not, or nobody measured it.
ALTER TABLE messages ADD COLUMN thought_ms BIGINT;
