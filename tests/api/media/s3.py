"""A real S3 server for tests: SeaweedFS, with a key that may do everything, one that may not make
buckets, and one that may only read."""

import json
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

ALLOWED = {"owner": ["Admin"], "user": ["Read", "Write", "List"], "reader": ["Read", "List"]}
STARTS_WITHIN = 60.0


PORTS = (
    "master.port",
    "master.port.grpc",
    "volume.port",
    "volume.port.grpc",
    "filer.port",
    "filer.port.grpc",
    "s3.port",
    "s3.port.grpc",
)


class S3:
    """A server that can be ended, started again with its objects, and made to hang."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ports = dict(zip(PORTS, _ports(len(PORTS)), strict=True))
        self._server: subprocess.Popen[bytes] | None = None
        self.url = f"http://127.0.0.1:{self._ports['s3.port']}"

    def settings(self, who: str) -> dict[str, str]:
        """Return the environment variables for a key."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": who,
            "AWS_SECRET_ACCESS_KEY": f"{who}-secret",
        }

    def start(self) -> None:
        keys = self._folder / "keys.json"
        keys.write_text(_keys())
        command = [
            str(Path(sys.executable).with_name("weed")),
            "server",
            f"-dir={self._folder}",
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            "-filer",
            "-s3",
            f"-s3.config={keys}",
            "-master.telemetry=false",
            "-master.electionTimeout=1s",
            "-master.volumeSizeLimitMB=64",
            "-volume.max=100",
            "-volume.preStopSeconds=0",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            *(f"-{name}={port}" for name, port in self._ports.items()),
        ]
        with (self._folder / "log").open("a") as log:
            self._server = subprocess.Popen(command, stdout=log, stderr=log)
        _wait(self.url, self._server)

    def end(self) -> None:
        # by SIGTERM: killed harder it may forget what it has confirmed
        if self._server is not None:
            self._server.terminate()
            self._server.wait()

    def kill(self) -> None:
        """End it for good: a graceful end takes up to half a minute."""
        if self._server is not None:
            self._server.kill()
            self._server.wait()

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """Let no request get an answer."""
        assert self._server is not None
        self._server.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._server.send_signal(signal.SIGCONT)


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
    server = S3(folder)
    try:
        server.start()
        yield server
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
