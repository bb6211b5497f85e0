-- A document that a person gives to a text model is an upload with a name. `pages` of a PDF;
-- `chars`: the characters in it.
ALTER TABLE media ADD COLUMN name TEXT;
ALTER TABLE media ADD COLUMN pages BIGINT;
ALTER TABLE media ADD COLUMN chars BIGINT;

-- The documents that were sent along with a question.
ALTER TABLE messages ADD COLUMN documents_json TEXT;
