-- Everything of the first version. Ids are UUIDv7 text, money is micro-dollars, JSON is text. No foreign keys, no secondary
-- indexes: DuckDB is faster and safer without; PostgreSQL gets its indexes from the file beside this one.

CREATE TABLE users (
    id TEXT PRIMARY KEY,
    email TEXT UNIQUE,
    password_hash TEXT,
    display_name TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('user', 'admin')),
    status TEXT NOT NULL CHECK (status IN ('active', 'disabled')),
    language TEXT NOT NULL,
    monthly_micro BIGINT NOT NULL,
    guest BOOLEAN NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);

CREATE TABLE sessions (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL,
    client TEXT NOT NULL,
    ip TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    last_seen_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL,
    revoked_at TIMESTAMPTZ,
    revoke_reason TEXT
);

CREATE TABLE refresh_tokens (
    token_hash TEXT PRIMARY KEY,
    session_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    parent_hash TEXT,
    issued_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL,
    used_at TIMESTAMPTZ,
    replaced_by TEXT,
    sealed_successor TEXT
);

-- Facts that may exist once only: the first admin's setup, and the like.
CREATE TABLE marks (
    name TEXT PRIMARY KEY,
    created_at TIMESTAMPTZ NOT NULL
);

-- Failed tries by key (account, address, chat identity); a window of its own each.
CREATE TABLE throttles (
    key TEXT PRIMARY KEY,
    failures BIGINT NOT NULL,
    window_started_at TIMESTAMPTZ NOT NULL,
    blocked_until TIMESTAMPTZ
);

CREATE TABLE links (
    platform TEXT NOT NULL,
    platform_user_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    display_name TEXT NOT NULL,
    chat_id TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (platform, platform_user_id)
);

CREATE TABLE link_codes (
    id TEXT PRIMARY KEY,
    code_hash TEXT NOT NULL UNIQUE,
    user_id TEXT NOT NULL,
    platform TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL,
    redeemed_at TIMESTAMPTZ,
    platform_user_id TEXT,
    display_name TEXT,
    chat_id TEXT,
    accepted_at TIMESTAMPTZ,
    confirmed_at TIMESTAMPTZ,
    burned_at TIMESTAMPTZ
);

CREATE TABLE bot_credentials (
    id TEXT PRIMARY KEY,
    platform TEXT NOT NULL,
    key_hash TEXT NOT NULL UNIQUE,
    created_at TIMESTAMPTZ NOT NULL,
    revoked_at TIMESTAMPTZ
);

-- What a connected bot last said of itself.
CREATE TABLE bots (
    platform TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    link_template TEXT,
    seen_at TIMESTAMPTZ NOT NULL
);

CREATE TABLE audit (
    id TEXT PRIMARY KEY,
    actor_id TEXT,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    before_json TEXT,
    after_json TEXT,
    created_at TIMESTAMPTZ NOT NULL
);

-- `data_json` holds capabilities, price list, route and modalities as the provider's lists last had them.
CREATE TABLE models (
    id TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('text', 'image', 'video')),
    name TEXT NOT NULL,
    data_json TEXT NOT NULL,
    enabled BOOLEAN NOT NULL,
    is_default BOOLEAN NOT NULL,
    price_override_micro BIGINT,
    listed BOOLEAN NOT NULL,
    seen_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (id, kind)
);

-- One row per scope and month; `scope` is `user:<id>` or `global`, `month` is `YYYY-MM` in UTC.
CREATE TABLE budgets (
    scope TEXT NOT NULL,
    month TEXT NOT NULL,
    held_micro BIGINT NOT NULL CHECK (held_micro >= 0),
    spent_micro BIGINT NOT NULL,
    PRIMARY KEY (scope, month)
);

CREATE TABLE holds (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL,
    month TEXT NOT NULL,
    subject TEXT NOT NULL UNIQUE,
    amount_micro BIGINT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('held', 'settled', 'released')),
    settled_micro BIGINT,
    created_at TIMESTAMPTZ NOT NULL,
    closed_at TIMESTAMPTZ
);

-- Append only.
CREATE TABLE ledger (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL,
    month TEXT NOT NULL,
    hold_id TEXT NOT NULL,
    subject TEXT NOT NULL,
    kind TEXT NOT NULL,
    model TEXT NOT NULL,
    amount_micro BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);

CREATE TABLE media (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL,
    generation_id TEXT,
    role TEXT NOT NULL CHECK (role IN ('image', 'video', 'thumbnail', 'upload')),
    position BIGINT NOT NULL,
    content_type TEXT NOT NULL,
    size BIGINT NOT NULL,
    sha256 TEXT NOT NULL,
    key TEXT NOT NULL,
    width BIGINT,
    height BIGINT,
    duration_ms BIGINT,
    thumbnail_id TEXT,
    created_at TIMESTAMPTZ NOT NULL
);

-- `run_at` is when a worker may take the job next: the due time, or the end of the lease while `lease_token` is set.
-- `nudges` counts webhooks, so that one that arrives in the middle of a step is not lost.
CREATE TABLE generations (
    id TEXT PRIMARY KEY,
    short_id TEXT NOT NULL UNIQUE,
    user_id TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('image', 'video')),
    mode TEXT NOT NULL,
    model TEXT NOT NULL,
    model_name TEXT NOT NULL,
    prompt TEXT NOT NULL,
    options_json TEXT NOT NULL,
    inputs_json TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('queued', 'processing', 'completed', 'failed', 'cancelled')),
    phase TEXT NOT NULL CHECK (phase IN ('submit', 'submitting', 'poll', 'fetch', 'store', 'done', 'submit_unknown', 'needs_review')),
    attempt BIGINT NOT NULL,
    rescues BIGINT NOT NULL,
    tries BIGINT NOT NULL,
    lease_token TEXT,
    run_at TIMESTAMPTZ NOT NULL,
    nudges BIGINT NOT NULL,
    deadline_at TIMESTAMPTZ,
    callback_token TEXT NOT NULL UNIQUE,
    provider_id TEXT,
    provider_state TEXT,
    hold_id TEXT NOT NULL,
    estimate_micro BIGINT NOT NULL,
    cost_micro BIGINT,
    error_code TEXT,
    error_message TEXT,
    source TEXT NOT NULL,
    sandbox BOOLEAN NOT NULL,
    platform TEXT,
    chat_id TEXT,
    thread_id TEXT,
    message_id TEXT,
    card_message_id TEXT,
    user_name TEXT,
    chat_private BOOLEAN,
    parent_id TEXT,
    favourite BOOLEAN NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    started_at TIMESTAMPTZ,
    submitted_at TIMESTAMPTZ,
    finished_at TIMESTAMPTZ
);

-- The outbox. `generation_id` names what is announced, or `notice_json` holds the fact.
CREATE TABLE deliveries (
    id TEXT PRIMARY KEY,
    dedupe_key TEXT NOT NULL UNIQUE,
    platform TEXT NOT NULL,
    chat_id TEXT NOT NULL,
    thread_id TEXT,
    message_id TEXT,
    user_name TEXT,
    chat_private BOOLEAN NOT NULL,
    event TEXT NOT NULL,
    generation_id TEXT,
    notice_json TEXT,
    state TEXT NOT NULL CHECK (state IN ('pending', 'done', 'dead')),
    attempt BIGINT NOT NULL,
    lease TEXT,
    due_at TIMESTAMPTZ NOT NULL,
    reason TEXT,
    uncertain BOOLEAN NOT NULL,
    message_ids_json TEXT,
    created_at TIMESTAMPTZ NOT NULL,
    done_at TIMESTAMPTZ
);

CREATE TABLE webhook_events (
    dedupe_key TEXT PRIMARY KEY,
    generation_id TEXT,
    body TEXT NOT NULL,
    received_at TIMESTAMPTZ NOT NULL
);

CREATE TABLE idempotency (
    key TEXT PRIMARY KEY,
    body_hash TEXT NOT NULL,
    generation_id TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);

CREATE TABLE conversations (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL,
    title TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);

CREATE TABLE messages (
    id TEXT PRIMARY KEY,
    conversation_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('user', 'assistant')),
    content TEXT NOT NULL,
    model TEXT,
    cost_micro BIGINT,
    images_json TEXT,
    created_at TIMESTAMPTZ NOT NULL
);
