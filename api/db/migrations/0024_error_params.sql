-- The facts in the sentence of a job's error_reason, by name; NULL for jobs of before.
ALTER TABLE generations ADD COLUMN error_params_json TEXT;
