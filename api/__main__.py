"""`python -m api`: one uvicorn worker, because one process owns the DuckDB file."""

import sys
from types import FrameType

import uvicorn
from structlog import get_logger

from api import log
from api.app import create_app
from api.deps import Services
from api.settings import Settings

STOP_SECONDS = 3
"""Open streams are cut after this, so that a stop takes no longer than ten seconds in all."""


class _Server(uvicorn.Server):
    """Long polls are ended at the first signal, so that they do not keep the process for their 25 seconds."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        services: Services | None = getattr(self.config.app.state, "services", None)  # type: ignore[union-attr]
        if services is not None:
            services.wake.close()
        super().handle_exit(sig, frame)


def main(settings: Settings) -> None:
    log.configure()
    config = uvicorn.Config(
        create_app(settings),
        host=settings.api_host,
        port=settings.api_port,
        log_config=None,
        timeout_graceful_shutdown=STOP_SECONDS,
        proxy_headers=True,
        forwarded_allow_ips=settings.trusted_proxies,
    )
    server = _Server(config)
    server.run()
    if not server.started:
        get_logger("api").error("not_started")
        sys.exit(1)


if __name__ == "__main__":
    main(Settings())
