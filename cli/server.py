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


@asynccontextmanager
async def server(url: str, name: str) -> AsyncIterator[PostgresTables]:
    """Open a transaction, which commits at the end of the block. `name` is what holds the address.
    Raises `CommandRefused`, with nothing written."""
    entered = False
    try:
        async with postgres_tables(url, read_only=False) as target:
            entered = True
            yield target
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
        raise CommandRefused(f"The server stopped it ({said}): {UNTOUCHED}.") from error


def place_of(url: str) -> str:
    """Return the host and the name of a database, without user and password."""
    parts = urlsplit(url)
    try:
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        port = ""
    host = parts.hostname or dict(parse_qsl(parts.query)).get("host") or "this machine"
    return f"{host}{port}{parts.path}"
