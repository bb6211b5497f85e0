-- Groups, channels and servers in which a bot is used, with settings of their own. `platform_place_id` is the platform's id of it.
CREATE TABLE places (
    id TEXT PRIMARY KEY,
    platform TEXT NOT NULL,
    platform_place_id TEXT NOT NULL,
    name TEXT NOT NULL,
    settings_json TEXT NOT NULL,
    monthly_micro BIGINT,
    daily_micro BIGINT,
    created_at TIMESTAMPTZ NOT NULL,
    seen_at TIMESTAMPTZ NOT NULL,
    UNIQUE (platform, platform_place_id)
);

-- Chats of a place in which the bot was used: a group is one chat, a server has several.
CREATE TABLE place_chats (
    platform TEXT NOT NULL,
    chat_id TEXT NOT NULL,
    place_id TEXT NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (platform, chat_id)
);

-- The place in which the work was asked for, and the day (UTC): it counts for the place's month and for its person's day there.
ALTER TABLE holds ADD COLUMN place_id TEXT;
ALTER TABLE holds ADD COLUMN day TEXT;

-- The place that let a guest in, where the server itself takes no guests.
ALTER TABLE users ADD COLUMN guest_place_id TEXT;
