"""`python -m admin_web`: the web under gunicorn."""

import sqlite3
import sys
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped]
from pydantic import ValidationError

from admin_web.app import create_app
from admin_web.settings import WebSettings

WORKERS = 2
THREADS = 24
"""A streamed answer or a video holds a thread for as long as it lasts."""
STOP_SECONDS = 3
"""For all that is open, beside what the api still answers."""


class _Server(BaseApplication):  # type: ignore[misc]
    def __init__(self, app: Flask, options: dict[str, Any]) -> None:
        self._app = app
        self._options = options
        super().__init__()

    def load_config(self) -> None:
        for name, value in self._options.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        return self._app


def main(settings: WebSettings) -> None:
    """Serve until SIGTERM or SIGINT; open requests get as long as the api gives its answers. Raises `SystemExit` with a sentence."""
    try:
        app = create_app(settings)
    except (OSError, sqlite3.Error) as error:
        why = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) else error
        raise SystemExit(f"The web cannot keep its sessions in {settings.data_dir} (DATA_DIR): {why}") from None
    host = f"[{settings.web_host}]" if ":" in settings.web_host else settings.web_host
    options = {
        "bind": f"{host}:{settings.web_port}",
        "worker_class": "gthread",
        "workers": WORKERS,
        "threads": THREADS,
        "graceful_timeout": settings.drain_seconds + STOP_SECONDS,
        "timeout": 60,
        "keepalive": 5,
        "proc_name": "allucanget-web",
        "errorlog": "-",
        "loglevel": "warning",
    }
    _Server(app, options).run()


def _settings() -> WebSettings:
    try:
        return WebSettings()
    except ValidationError as error:
        for problem in error.errors():
            name = "_".join(str(part) for part in problem["loc"]).upper()
            sys.stderr.write(f"{name}: {problem['msg'].removeprefix('Value error, ')}\n")
        raise SystemExit(2) from None


if __name__ == "__main__":
    main(_settings())
