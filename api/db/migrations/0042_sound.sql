-- Models that write recordings down or read texts aloud are two kinds more. The embedded engine changes no CHECK, so the
-- table is made anew.
CREATE TABLE models_with_sound (
    id TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('text', 'image', 'video', 'transcription', 'speech')),
    name TEXT NOT NULL,
    data_json TEXT NOT NULL,
    enabled BOOLEAN NOT NULL,
    is_default BOOLEAN NOT NULL,
    price_override_micro BIGINT,
    listed BOOLEAN NOT NULL,
    seen_at TIMESTAMPTZ NOT NULL,
    roles_json TEXT,
    PRIMARY KEY (id, kind)
);
INSERT INTO models_with_sound
    (id, kind, name, data_json, enabled, is_default, price_override_micro, listed, seen_at, roles_json)
    SELECT id, kind, name, data_json, enabled, is_default, price_override_micro, listed, seen_at, roles_json FROM models;
DROP TABLE models;
ALTER TABLE models_with_sound RENAME TO models;

-- A price that is looked up may be of several calls: `provider_id` then holds their ids, with blanks between them. A
-- NULL kind is `text`.
ALTER TABLE text_lookups ADD COLUMN kind TEXT;
