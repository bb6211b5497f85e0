"""A PostgreSQL database for commands that write all of it at once: opened, or one sentence says why
not."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import parse_qsl, urlsplit

import asyncpg

from api.admin.restored import InUse
from api.database import about_schema, about_server
from api.db.migrate import WrongSchema
from api.db.postgres_tables import PostgresTables, postgres_tables
from api.db.tables import DifferentCopy
from cli.errors import CommandRefused

UNTOUCHED = "nothing was written to the server"
_LOST = ("08", "57")
"""Classes of SQLSTATE of a connection that was lost, or ended by the server."""


class CommitUnknown(CommandRefused):
    """The server was lost at the commit: it has everything, or nothing."""


@asynccontextmanager
async def server(url: str, name: str) -> AsyncIterator[PostgresTables]:
    """Open a transaction, which commits at the end of the block. `name` is what holds the address.
    Raises `CommandRefused`, with nothing written, and `CommitUnknown`."""
    entered = left = False
    try:
        async with postgres_tables(url, read_only=False) as target:
            entered = True
            yield target
            left = True
    except (asyncpg.LockNotAvailableError, InUse) as error:
        raise CommandRefused(
            f"The database of {name} is in use: stop every api and worker. One that was killed "
            f"counts for a minute. {UNTOUCHED.capitalize()}."
        ) from error
    except WrongSchema as error:
        raise CommandRefused(f"The database of {name} {about_schema(error)}.") from error
    except DifferentCopy as error:
        raise CommandRefused(
            f"The table {error.table} came out differently on the server: {UNTOUCHED}."
        ) from error
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, ValueError) as error:
        if not entered or isinstance(error, asyncpg.InsufficientPrivilegeError):
            said = str(about_server(error, url)).replace("DATABASE_URL", name)
            raise CommandRefused(said) from error
        said = str(error).partition("\n")[0] or type(error).__name__
        if left and not _is_answer(error):
            raise CommitUnknown(
                f"The server was lost at the very end ({said}): whether the rows are there is not "
                "known. Run the same command again: it does it, or says that they are there."
            ) from error
        raise CommandRefused(f"The server stopped it ({said}): {UNTOUCHED}.") from error


def _is_answer(error: Exception) -> bool:
    """Return whether the server itself has said that it refuses."""
    return isinstance(error, asyncpg.PostgresError) and (error.sqlstate or "")[:2] not in _LOST


def place_of(url: str) -> str:
    """Return the host and the name of a database, without user and password."""
    parts = urlsplit(url)
    try:
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        port = ""
    host = parts.hostname or dict(parse_qsl(parts.query)).get("host") or "this machine"
    return f"{host}{port}{parts.path}"
