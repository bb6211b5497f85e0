-- What an answer ended with, and where its model has read; NULL for messages of before.
ALTER TABLE messages ADD COLUMN finish_reason TEXT;
ALTER TABLE messages ADD COLUMN citations_json TEXT;

-- Answers whose price the provider has not said: it is asked for by `provider_id` when `due_at` is over. `id` is the answer's.
CREATE TABLE text_lookups (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL,
    hold_id TEXT NOT NULL,
    model TEXT NOT NULL,
    provider_id TEXT NOT NULL,
    tries BIGINT NOT NULL,
    due_at TIMESTAMPTZ NOT NULL
);
