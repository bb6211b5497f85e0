"""SQL of the figures over all tables, read only. Ids are UUIDv7, so `id >= ids.floor(moment)` finds
what is young by the primary key."""

from collections.abc import Sequence
from datetime import datetime

from api import ids
from api.db import Db, Row, Sql


async def users(sql: Sql) -> Sequence[Row]:
    return await sql.fetch(
        """
        SELECT role, status, guest, (password_hash IS NULL AND NOT guest) AS invited,
            count(*) AS count
        FROM users GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
        """
    )


async def tokens(sql: Sql, at: datetime) -> Row:
    query = """
        SELECT
            (SELECT count(*) FROM sessions
                WHERE revoked_at IS NULL AND expires_at > $1) AS sessions,
            (SELECT count(*) FROM refresh_tokens
                WHERE used_at IS NULL AND expires_at > $1) AS refresh_tokens,
            (SELECT count(*) FROM one_time_tokens
                WHERE used_at IS NULL AND expires_at > $1) AS one_time_tokens,
            (SELECT count(*) FROM bot_credentials WHERE revoked_at IS NULL) AS bot_credentials
        """
    row = await sql.fetch_one(query, at)
    assert row is not None
    return row


async def generations(sql: Sql) -> Sequence[Row]:
    return await sql.fetch(
        "SELECT kind, model, status, count(*) AS count FROM generations GROUP BY 1, 2, 3 "
        "ORDER BY 4 DESC, 2, 3, 1"
    )


async def queue(sql: Sql) -> Sequence[Row]:
    return await sql.fetch(
        """
        SELECT kind,
            count(*) FILTER (WHERE status = 'queued') AS queued,
            count(*) FILTER
                (WHERE status = 'processing' AND phase <> 'needs_review') AS processing,
            count(*) FILTER (WHERE phase = 'needs_review') AS needs_review,
            min(created_at) FILTER (WHERE status = 'queued') AS oldest,
            min(started_at) FILTER
                (WHERE status = 'processing' AND phase <> 'needs_review') AS first_started
        FROM generations WHERE phase <> 'done' GROUP BY 1 ORDER BY 1
        """
    )


async def running(sql: Sql, before: datetime) -> Sequence[Row]:
    """Return generations started before then that are still being made, the oldest first."""
    query = """
        WITH open AS MATERIALIZED (
            SELECT kind, model, status, phase, started_at FROM generations WHERE phase <> 'done'
        )
        SELECT kind, model, started_at FROM open
        WHERE status = 'processing' AND phase <> 'needs_review' AND started_at < $1
        ORDER BY started_at
        """
    return await sql.fetch(query, before)


async def deliveries(sql: Sql) -> Sequence[Row]:
    """Those that are not done."""
    return await sql.fetch(
        """
        SELECT platform, state, count(*) AS count,
            min(due_at) FILTER (WHERE state = 'pending') AS oldest
        FROM deliveries WHERE state <> 'done' GROUP BY 1, 2 ORDER BY 1, 2
        """
    )


async def delivered(sql: Sql) -> Sequence[Row]:
    return await sql.fetch(
        """
        SELECT platform, state, count(*) AS count, CAST(NULL AS TIMESTAMPTZ) AS oldest
        FROM deliveries WHERE state = 'done' GROUP BY 1, 2 ORDER BY 1
        """
    )


async def typical(sql: Sql, since: datetime) -> Sequence[Row]:
    query = """
        WITH done AS MATERIALIZED (
            SELECT kind, model, extract(epoch FROM finished_at - started_at) AS seconds
            FROM generations
            WHERE id >= $1 AND status = 'completed'
                AND started_at IS NOT NULL AND finished_at IS NOT NULL
        )
        SELECT kind, model, count(*) AS count,
            CAST(percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) AS DOUBLE PRECISION) AS half,
            CAST(percentile_cont(0.9) WITHIN GROUP (ORDER BY seconds) AS DOUBLE PRECISION) AS most
        FROM done GROUP BY 1, 2 ORDER BY 3 DESC, 2, 1
        """
    return await sql.fetch(query, ids.floor(since))


async def failed_with(sql: Sql, code: str, since: datetime) -> int:
    """Count the failed generations since then. Those before the last completed one do not count:
    the trouble was over by then."""
    query = """
        WITH young AS MATERIALIZED (SELECT id, status, error_code FROM generations WHERE id >= $1)
        SELECT count(*) AS n FROM young WHERE error_code = $2
          AND id > coalesce((SELECT max(id) FROM young WHERE status = 'completed'), '')
        """
    row = await sql.fetch_one(query, ids.floor(since), code)
    return int(row["n"]) if row else 0


async def waiting_for(sql: Sql, reason: str) -> int:
    """Count generations that the provider does not take for this reason and that are tried
    again."""
    query = """
        SELECT count(*) AS n FROM generations
        WHERE phase = 'submit' AND status = 'queued' AND followed_ms IS NOT NULL
        AND provider_state = $1
        """
    row = await sql.fetch_one(query, reason)
    return int(row["n"]) if row else 0


async def bots(sql: Sql) -> Sequence[Row]:
    return await sql.fetch(
        """
        WITH seen AS MATERIALIZED (
            SELECT platform, max(last_seen_at) AS last_seen_at FROM bot_credentials
                WHERE revoked_at IS NULL GROUP BY 1
        )
        SELECT seen.platform, seen.last_seen_at, bots.name, bots.link_template,
               (SELECT max(connected_at) FROM bot_credentials c
                   WHERE c.platform = seen.platform AND c.revoked_at IS NULL
                  AND c.last_seen_at = seen.last_seen_at) AS connected_at
        FROM seen LEFT JOIN bots ON bots.platform = seen.platform ORDER BY seen.platform
        """
    )


async def migrations(sql: Sql) -> list[str]:
    return [
        row["name"] for row in await sql.fetch("SELECT name FROM schema_migrations ORDER BY name")
    ]


async def engine(sql: Sql) -> str:
    row = await sql.fetch_one("SELECT version() AS version")
    return str(row["version"]) if row else ""


async def postgres_size(sql: Sql) -> int:
    row = await sql.fetch_one("SELECT pg_database_size(current_database()) AS bytes")
    return int(row["bytes"]) if row else 0


async def tables(db: Db) -> list[tuple[str, int]]:
    """Return the tables with the engine's estimates of their rows, the largest first."""
    if db.engine == "duckdb":
        query = (
            "SELECT table_name AS name, estimated_size AS n FROM duckdb_tables() ORDER BY 2 DESC, 1"
        )
    else:
        query = (
            "SELECT relname AS name, n_live_tup AS n FROM pg_stat_user_tables ORDER BY 2 DESC, 1"
        )
    return [(row["name"], int(row["n"])) for row in await db.fetch(query)]
