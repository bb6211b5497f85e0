-- Words about money that were said once: `about` is a scope of budgets with its threshold, or an admin's digest; `period` a month, a day or a week.
CREATE TABLE said_once (
    about TEXT NOT NULL,
    period TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (about, period)
);
