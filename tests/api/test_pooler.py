"""The api on PostgreSQL behind a real PgBouncer in transaction mode."""

import asyncio
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from tests.api.harness import running_api
from tests.sandbox_server import Sandbox
from tests.stack import free_ports

PGBOUNCER = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
SOON = 60.0
CONFIG = """
[databases]
* = host={folder} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 3
"""


@contextmanager
def pgbouncer(server: str) -> Iterator[int]:
    """Yield the port of a pooler in front of the server whose socket is in the folder `server`."""
    assert PGBOUNCER is not None
    (port,) = free_ports(1)
    with tempfile.TemporaryDirectory(prefix="pgbouncer-") as name:
        config = Path(name, "pgbouncer.ini")
        config.write_text(CONFIG.format(folder=server, port=port))
        command = [PGBOUNCER, str(config)]
        if os.geteuid() == 0:  # it refuses to run as root
            Path(name).chmod(0o755)
            config.chmod(0o644)
            command = [PGBOUNCER, "-u", Path(server).owner(), str(config)]
        process = subprocess.Popen(command, stderr=subprocess.PIPE)
        assert process.stderr is not None
        try:
            while b"process up" not in (line := process.stderr.readline()):
                assert line, "it ended by itself"
            yield port
        finally:
            process.terminate()
            process.communicate(timeout=10)


@pytest.mark.skipif(PGBOUNCER is None, reason="pgbouncer is not installed")
async def test_text_and_images_go_through_a_pooler_in_transaction_mode(
    postgres_url: str, sandbox: Sandbox, tmp_path: Path
) -> None:
    parts = urlsplit(postgres_url)
    (server,) = parse_qs(parts.query)["host"]
    with pgbouncer(unquote(server)) as port:
        settings: dict[str, Any] = {
            "database_url": f"postgresql://postgres@127.0.0.1:{port}{parts.path}",
            "database_pooler": "transaction",
            "database_listen_url": postgres_url,
        }
        async with (
            asyncio.timeout(SOON),
            running_api(tmp_path / "data", sandbox, **settings) as api,
        ):
            while not api.services.wake.hears_others:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.01)
            async with await api.user() as user:
                for _ in range(3):
                    said = await user.post("/generate/text", json={"prompt": "Why?"})
                    made = await user.post("/generate/image", json={"prompt": "a fox"})
                    assert (said.status_code, made.status_code) == (200, 200), made.text
                pictures, several = await asyncio.gather(
                    user.get("/generations"),
                    asyncio.gather(*(user.get("/users/me") for _ in range(20))),
                )
    assert len(pictures.json()["items"]) == 3
    assert {each.status_code for each in several} == {200}
