-- What chats asked for and have to confirm because of its price; kept for a day.
CREATE TABLE generation_drafts (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    request_json TEXT NOT NULL,
    body_hash TEXT NOT NULL,
    parent_id TEXT,
    key TEXT,
    created_at TIMESTAMPTZ NOT NULL
);

-- When a chat last began a new conversation: an answer that was still being written then does not bring its old one back.
CREATE TABLE chats_left (
    user_id TEXT NOT NULL,
    platform TEXT NOT NULL,
    chat_id TEXT NOT NULL,
    thread_id TEXT NOT NULL,
    left_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (user_id, platform, chat_id, thread_id)
);

-- Once a day: what the provider says that our key has ever spent, and what we had booked by then.
CREATE TABLE provider_usage (
    day TEXT PRIMARY KEY,
    read_at TIMESTAMPTZ NOT NULL,
    used_micro BIGINT NOT NULL,
    booked_micro BIGINT NOT NULL
);

-- When an operator gave its cost back to its user.
ALTER TABLE generations ADD COLUMN refunded_at TIMESTAMPTZ;

-- A smaller copy of another file, made for a chat's limit: of which, and for how many bytes at most.
ALTER TABLE media ADD COLUMN copy_of TEXT;
ALTER TABLE media ADD COLUMN copy_most BIGINT;
