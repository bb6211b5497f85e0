"""`python -m cli.health NAME`: the health of a container, 0 when its process answers.

It reads no more than the environment and imports no more than the standard library: it runs every
ten seconds in every container.
"""

import os
import socket
import sys

WITHIN = 4.0
"""Seconds for the whole answer's first line."""
PATHS = {"api": "/readyz", "web": "/healthz", "sandbox": "/_sandbox/faults"}
PORTS = {"api": "8000", "web": "8080", "sandbox": "8010"}
HERE = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}


def main(name: str) -> int:
    """Return the exit code."""
    host = os.environ.get(f"{name.upper()}_HOST", "")
    port = os.environ.get(f"{name.upper()}_PORT") or PORTS[name]
    try:
        with socket.create_connection((HERE.get(host, host), int(port)), WITHIN) as connection:
            connection.sendall(f"GET {PATHS[name]} HTTP/1.0\r\nHost: {name}\r\n\r\n".encode())
            status = connection.makefile("rb").readline().split()
    except OSError:
        return 1
    return 0 if status[1:2] == [b"200"] else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
