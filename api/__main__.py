"""`python -m api`: one uvicorn worker, because one process owns the DuckDB file."""

import sys

import uvicorn
from structlog import get_logger

from api import log
from api.app import create_app
from api.settings import Settings

STOP_SECONDS = 3
"""Open streams and waiting claims are cut after this, so that a stop takes no longer than ten seconds in all."""


def main(settings: Settings) -> None:
    log.configure()
    config = uvicorn.Config(
        create_app(settings),
        host=settings.api_host,
        port=settings.api_port,
        log_config=None,
        timeout_graceful_shutdown=STOP_SECONDS,
        proxy_headers=True,
        forwarded_allow_ips="127.0.0.1",
    )
    server = uvicorn.Server(config)
    server.run()
    if not server.started:
        get_logger("api").error("not_started")
        sys.exit(1)


if __name__ == "__main__":
    main(Settings())
