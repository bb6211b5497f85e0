-- A gallery's models, and what it has of one of them.
CREATE INDEX generations_user_model ON generations (user_id, model, id DESC) INCLUDE (kind);
-- What somebody spent is read out of the index alone.
CREATE INDEX ledger_spent ON ledger (user_id, created_at) INCLUDE (kind, model, amount_micro);
DROP INDEX ledger_user;
-- Words that somebody looks for in what was said.
CREATE INDEX messages_user ON messages (user_id);
