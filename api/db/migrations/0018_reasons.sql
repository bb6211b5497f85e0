-- Why a job failed, in a word that clients have a sentence for; NULL for jobs of before.
ALTER TABLE generations ADD COLUMN error_reason TEXT;
