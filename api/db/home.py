"""The mark by which a database knows its server, so that one that was restored from a dump is
noticed: it lies in another database, or on another server, than the one that the api used last.

A failover keeps both. `pg_upgrade` makes a new server of it, which an operator has to say. A copy
of the server's files keeps both and is not noticed: after one, an operator has to say so.
"""

from api.db import Sql, marks
from api.ids import now

PREFIX = "home:"
_MAY = "SELECT has_function_privilege(to_regprocedure('pg_control_system()'), 'execute') AS may"
_SYSTEM = "SELECT system_identifier::text AS id FROM pg_control_system()"
_DATABASE = "SELECT oid::text AS id FROM pg_database WHERE datname = current_database()"


async def is_home(sql: Sql) -> bool:
    """Return whether the database is where the api used it last. A database that was never asked
    is at home. It is asked at a start, and by the board: the server behind an address may change
    while the api runs."""
    here = await _here(sql)
    homes = await marks.named(sql, PREFIX)
    if not homes:
        await marks.touch(sql, here, now())
    return not homes or here in homes


async def settle(sql: Sql) -> None:
    """Make this place the home."""
    await marks.remove(sql, PREFIX)
    await marks.touch(sql, await _here(sql), now())


async def _here(sql: Sql) -> str:
    """Return the mark's name: the server's own id, where it may be read, and the database's."""
    may = await sql.fetch_one(_MAY)
    system = await sql.fetch_one(_SYSTEM) if may and may["may"] else None
    database = await sql.fetch_one(_DATABASE)
    return f"{PREFIX}{system['id'] if system else ''}:{database['id'] if database else ''}"
