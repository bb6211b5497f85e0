-- Work that one process at a time does, under a name, until the lease ends. `fence` grows with each new holder.
CREATE TABLE leases (
    name TEXT PRIMARY KEY,
    holder TEXT NOT NULL,
    fence BIGINT NOT NULL,
    held_until TIMESTAMPTZ NOT NULL
);
