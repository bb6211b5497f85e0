-- Requests of people in chats who have no account. One row for each identity; `id` names one request of it. `decided_by` is an admin's account.
CREATE TABLE joins (
    platform TEXT NOT NULL,
    platform_user_id TEXT NOT NULL,
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    chat_id TEXT NOT NULL,
    place TEXT NOT NULL,
    language TEXT,
    state TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    decided_at TIMESTAMPTZ,
    decided_by TEXT,
    PRIMARY KEY (platform, platform_user_id)
);
