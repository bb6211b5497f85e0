-- Words that somebody looks for in what was said lately.
CREATE INDEX messages_said ON messages (user_id, id);
DROP INDEX messages_user;
