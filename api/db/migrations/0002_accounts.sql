-- Accounts in depth: one-time links, known devices, when a session last proved its password, when a bot's credential was last used.

-- Invitations and password resets, by hash. A new one of the same purpose replaces the older one.
CREATE TABLE one_time_tokens (
    token_hash TEXT PRIMARY KEY,
    user_id TEXT NOT NULL,
    purpose TEXT NOT NULL CHECK (purpose IN ('invite', 'reset')),
    created_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL,
    used_at TIMESTAMPTZ
);

-- Places from which an account's owner has signed in.
CREATE TABLE devices (
    token_hash TEXT PRIMARY KEY,
    user_id TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL
);

-- Guests whose chats were linked later, and the account that got what they had made: they are deleted with it. When the
-- chat is unlinked, it gets its guest back, with what the guest has spent.
CREATE TABLE guest_moves (
    guest_id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL,
    platform TEXT NOT NULL,
    platform_user_id TEXT NOT NULL,
    moved_at TIMESTAMPTZ NOT NULL
);

-- NULL: at the sign-in only.
ALTER TABLE sessions ADD COLUMN proved_at TIMESTAMPTZ;

ALTER TABLE bot_credentials ADD COLUMN last_seen_at TIMESTAMPTZ;
