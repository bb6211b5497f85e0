"""An api in a thread of the test process, with the test's own settings and clock."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from api.app import create_app
from api.settings import Settings
from api.users.passwords import Cost

CHEAP = Cost(memory=8)


@contextmanager
def own_api(folder: Path, provider_url: str, **settings: Any) -> Iterator[str]:
    """Run the api and yield its address."""
    values = {
        "data_dir": folder,
        "openrouter_base_url": f"{provider_url}/api/v1",
        "drain_seconds": 0,
        **settings,
    }
    app = create_app(Settings(_env_file=None, **values), password_cost=CHEAP)
    server = uvicorn.Server(
        uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=1)
    )
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        try:
            # the socket listens already: the first request waits until the server takes it
            httpx.get(f"{url}/healthz", timeout=30).raise_for_status()
            yield url
        finally:
            server.should_exit = True
            thread.join(20)
    assert not thread.is_alive()
