-- Allowed roles of a model, limits of groups of accounts, kept answers, one conversation per chat.

-- A JSON list of roles; NULL: everybody.
ALTER TABLE models ADD COLUMN roles_json TEXT;

-- What admins decided over the settings, by scope (`users admins guests global`); a NULL limit: none.
CREATE TABLE budget_limits (
    scope TEXT PRIMARY KEY,
    limit_micro BIGINT
);

-- The group of accounts (`users admins guests`) in whose counter this hold counts too; NULL for holds older than groups.
ALTER TABLE holds ADD COLUMN group_scope TEXT;

-- Of a text request, its whole answer once it is there; `generation_id` is the answer's id then.
ALTER TABLE idempotency ADD COLUMN answer_json TEXT;

-- The chat that continues this conversation; NULL for those of programs and of the web, and once a chat has begun a new one.
ALTER TABLE conversations ADD COLUMN platform TEXT;
ALTER TABLE conversations ADD COLUMN chat_id TEXT;
ALTER TABLE conversations ADD COLUMN thread_id TEXT;
