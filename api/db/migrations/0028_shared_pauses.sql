-- Pauses of the provider that all processes keep: of all calls, of paid calls while there is no credit, and of a model that is too busy (`model:...`).
-- A row stays until a call has shown that the pause is over; one of a model counts until its end.
CREATE TABLE provider_pauses (
    scope TEXT PRIMARY KEY,
    paused_until TIMESTAMPTZ NOT NULL,
    length_ms BIGINT NOT NULL
);
-- The process that does the work for which money is held, by the name of its lease; NULL for generations, which have leases of their own.
ALTER TABLE holds ADD COLUMN process TEXT;
