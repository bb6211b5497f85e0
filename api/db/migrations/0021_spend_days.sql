-- What was spent on days that are over: a long time is added up from these rows, not from every entry of the ledger.
CREATE TABLE spend_days (
    day DATE NOT NULL,
    user_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    model TEXT NOT NULL,
    amount_micro BIGINT NOT NULL,
    requests BIGINT NOT NULL,
    PRIMARY KEY (day, user_id, kind, model)
);
CREATE INDEX spend_days_user ON spend_days (user_id, day);
