CREATE INDEX one_time_tokens_user ON one_time_tokens (user_id);
CREATE INDEX devices_user ON devices (user_id);
CREATE INDEX audit_subject ON audit (subject, id DESC);
