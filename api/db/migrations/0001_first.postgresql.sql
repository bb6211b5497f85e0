-- Indexes that only PostgreSQL needs.
CREATE INDEX sessions_user ON sessions (user_id);
CREATE INDEX refresh_tokens_session ON refresh_tokens (session_id);
CREATE INDEX links_user ON links (user_id);
CREATE INDEX link_codes_user ON link_codes (user_id);
CREATE INDEX ledger_user ON ledger (user_id, created_at);
CREATE INDEX holds_open ON holds (created_at) WHERE state = 'held';
CREATE INDEX media_generation ON media (generation_id);
CREATE INDEX media_user ON media (user_id);
CREATE INDEX generations_user ON generations (user_id, id DESC);
CREATE INDEX generations_due ON generations (run_at) WHERE phase NOT IN ('done', 'needs_review');
CREATE INDEX deliveries_due ON deliveries (platform, due_at) WHERE state = 'pending';
CREATE INDEX conversations_user ON conversations (user_id, updated_at DESC);
CREATE INDEX messages_conversation ON messages (conversation_id, id);
