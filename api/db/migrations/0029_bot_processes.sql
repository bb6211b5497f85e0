-- Running processes of the bots. One that is killed is dead once `until` has passed; `since` is the start of its presence without a break.
CREATE TABLE bot_processes (
    id TEXT PRIMARY KEY,
    platform TEXT NOT NULL,
    label TEXT NOT NULL,
    since TIMESTAMPTZ NOT NULL,
    until TIMESTAMPTZ NOT NULL
);

-- Updates that are not answered yet. `process` answers it; NULL: it was given back.
CREATE TABLE bot_updates (
    bot TEXT NOT NULL,
    update_id BIGINT NOT NULL,
    process TEXT,
    raw TEXT NOT NULL,
    shown_json TEXT NOT NULL,
    kills INTEGER NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (bot, update_id)
);

-- Ids of updates of the last days: a platform may bring one twice, to two processes.
CREATE TABLE bot_updates_seen (
    bot TEXT NOT NULL,
    update_id BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (bot, update_id)
);
