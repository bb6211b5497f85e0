CREATE INDEX idempotency_created ON idempotency (created_at);
CREATE INDEX idempotency_generation ON idempotency (generation_id);
