-- The outbox in depth: whose a row is, where it was to go first, what was tried, what waits on the web. The table is made anew,
-- because DuckDB cannot change which states a CHECK allows.

-- `state` inbox: no chat took it, its owner finds it on the web until it is put aside. `lease` set and `due_at` passed: a bot was lost with
-- it. `begun`: that bot had begun to send. `doubts` counts tries that may have shown it, `mishaps` those that ended by a defect or a lost bot.
-- `repeatable`: the platform shows it once however often it is sent. `shown`: only the waiting card is left to close.
-- `since_at`: since when this address is tried. `origin_json`: the first address, when this is another. `trail_json`: the tries, oldest first.
CREATE TABLE deliveries_anew (
    id TEXT PRIMARY KEY,
    dedupe_key TEXT NOT NULL UNIQUE,
    user_id TEXT,
    platform TEXT NOT NULL,
    chat_id TEXT NOT NULL,
    thread_id TEXT,
    message_id TEXT,
    user_name TEXT,
    chat_private BOOLEAN NOT NULL,
    event TEXT NOT NULL,
    generation_id TEXT,
    notice_json TEXT,
    state TEXT NOT NULL CHECK (state IN ('pending', 'done', 'dead', 'inbox')),
    attempt BIGINT NOT NULL,
    lease TEXT,
    begun BOOLEAN NOT NULL,
    repeatable BOOLEAN NOT NULL,
    shown BOOLEAN NOT NULL,
    doubts BIGINT NOT NULL,
    mishaps BIGINT NOT NULL,
    due_at TIMESTAMPTZ NOT NULL,
    since_at TIMESTAMPTZ NOT NULL,
    reason TEXT,
    origin_json TEXT,
    trail_json TEXT,
    message_ids_json TEXT,
    created_at TIMESTAMPTZ NOT NULL,
    done_at TIMESTAMPTZ,
    read_at TIMESTAMPTZ,
    broadcast_id TEXT
);

INSERT INTO deliveries_anew (id, dedupe_key, platform, chat_id, thread_id, message_id, user_name, chat_private, event, generation_id, notice_json,
    state, attempt, lease, begun, repeatable, shown, doubts, mishaps, due_at, since_at, reason, message_ids_json, created_at, done_at,
    broadcast_id)
SELECT id, dedupe_key, platform, chat_id, thread_id, message_id, user_name, chat_private, event, generation_id, notice_json,
    state, attempt, lease, false, false, false, CASE WHEN uncertain THEN 1 ELSE 0 END, 0, due_at, created_at, reason, message_ids_json, created_at, done_at,
    broadcast_id
FROM deliveries;

DROP TABLE deliveries;
ALTER TABLE deliveries_anew RENAME TO deliveries;

UPDATE deliveries SET user_id = (SELECT user_id FROM generations WHERE generations.id = deliveries.generation_id) WHERE generation_id IS NOT NULL;

-- One claim of a platform at a time: two at once could give two bots results of the same chat, out of order.
CREATE TABLE claim_turns (
    platform TEXT PRIMARY KEY,
    turn BIGINT NOT NULL
);

-- What a platform calls a file that it was given before, for each way to show it.
CREATE TABLE platform_files (
    platform TEXT NOT NULL,
    media_id TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('photo', 'video', 'document')),
    ref TEXT NOT NULL,
    generation_id TEXT NOT NULL,
    PRIMARY KEY (platform, media_id, kind)
);
