-- What members prefer and share, what admins switched on, what was broadcast.

-- See `api/users/preferences.py`; NULL: nothing was ever chosen.
ALTER TABLE users ADD COLUMN preferences_json TEXT;

-- Public links to one generation. The link itself is signed, so this table alone opens nothing.
CREATE TABLE shares (
    id TEXT PRIMARY KEY,
    generation_id TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL
);

-- What admins decided for the whole studio, by name; what is missing has its default.
CREATE TABLE studio_settings (
    name TEXT PRIMARY KEY,
    value_json TEXT NOT NULL,
    changed_at TIMESTAMPTZ NOT NULL
);

-- `chats` is how many it was sent to; its deliveries say what became of each.
CREATE TABLE broadcasts (
    id TEXT PRIMARY KEY,
    actor_id TEXT,
    text TEXT NOT NULL,
    chats BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);

ALTER TABLE deliveries ADD COLUMN broadcast_id TEXT;

-- Since when a bot asks with this key without a break.
ALTER TABLE bot_credentials ADD COLUMN connected_at TIMESTAMPTZ;

-- Whom a broadcast has still to be sent to: a few at a time become deliveries, so that results never wait behind it.
CREATE TABLE broadcast_chats (
    broadcast_id TEXT NOT NULL,
    platform TEXT NOT NULL,
    platform_user_id TEXT NOT NULL,
    PRIMARY KEY (broadcast_id, platform, platform_user_id)
);

-- What a completed job made, as lists show it: looking the files up takes longer than everything else a gallery needs. NULL: look them up.
ALTER TABLE generations ADD COLUMN files_json TEXT;
