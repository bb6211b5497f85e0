"""A real S3 server for tests: SeaweedFS, with a key that may do everything, one that may not make
buckets, and one that may only read."""

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

ALLOWED = {"owner": ["Admin"], "user": ["Read", "Write", "List"], "reader": ["Read", "List"]}
STARTS_WITHIN = 60.0


@dataclass(frozen=True)
class S3:
    url: str

    def settings(self, who: str) -> dict[str, str]:
        """Return the environment variables for a key."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": who,
            "AWS_SECRET_ACCESS_KEY": f"{who}-secret",
        }


def _ports(number: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _keys() -> str:
    def one(name: str) -> dict[str, object]:
        return {
            "name": name,
            "credentials": [{"accessKey": name, "secretKey": f"{name}-secret"}],
            "actions": ALLOWED[name],
        }

    return json.dumps({"identities": [one(name) for name in ALLOWED]})


@contextmanager
def s3_server(folder: Path) -> Iterator[S3]:
    program = Path(sys.executable).with_name("weed")
    keys = folder / "keys.json"
    keys.write_text(_keys())
    names = (
        "master.port",
        "master.port.grpc",
        "volume.port",
        "volume.port.grpc",
        "filer.port",
        "filer.port.grpc",
        "s3.port",
        "s3.port.grpc",
    )
    ports = dict(zip(names, _ports(len(names)), strict=True))
    command = [
        *(
            str(program),
            "server",
            f"-dir={folder}",
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            "-filer",
            "-s3",
            f"-s3.config={keys}",
        ),
        *(
            "-master.telemetry=false",
            "-master.electionTimeout=1s",
            "-master.volumeSizeLimitMB=64",
            "-volume.max=100",
        ),
        *("-s3.port.iceberg=0", "-s3.port.lance=0"),
        *(f"-{name}={port}" for name, port in ports.items()),
    ]
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen(command, stdout=log, stderr=log) as server,
    ):
        try:
            url = f"http://127.0.0.1:{ports['s3.port']}"
            _wait(url, server)
            yield S3(url)
        finally:
            server.kill()


def _wait(url: str, server: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + STARTS_WITHIN
    while True:
        try:
            urllib.request.urlopen(f"{url}/status", timeout=2).close()
        except urllib.error.HTTPError:
            return
        except OSError:
            assert server.poll() is None, "the S3 server ended"
            assert time.monotonic() < until, "the S3 server did not start"
            time.sleep(0.05)
        else:
            return
