CREATE INDEX shares_generation ON shares (generation_id);
CREATE INDEX ledger_created ON ledger (created_at);
-- Lists of all jobs: newest first, of one status, one model, one kind of trouble.
CREATE INDEX generations_status ON generations (status, id DESC);
CREATE INDEX generations_model ON generations (model, id DESC);
CREATE INDEX generations_open ON generations (phase, id DESC) WHERE phase <> 'done';
CREATE INDEX audit_actor ON audit (actor_id, id DESC);
CREATE INDEX audit_action ON audit (action, id DESC);
