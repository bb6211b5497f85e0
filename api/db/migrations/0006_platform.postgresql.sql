CREATE INDEX shares_generation ON shares (generation_id);
CREATE INDEX deliveries_broadcast ON deliveries (broadcast_id, state) WHERE broadcast_id IS NOT NULL;
CREATE INDEX ledger_created ON ledger (created_at);
