"""The state of the tests' own process that a command of `./run` changes for good: the log's set-up,
the hooks for errors, the environment."""

import logging
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from telemetry import logs


@contextmanager
def process_state_kept() -> Iterator[None]:
    """Put the state back at the end, so that no test sees what an earlier one has set up."""
    config, root = structlog.get_config(), logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    hooks = sys.excepthook, threading.excepthook
    environment = dict(os.environ)
    yield
    if structlog.get_config() != config:
        structlog.configure(**config)
        logging.captureWarnings(capture=False)
        logs.know_secrets([])
    root.setLevel(level)
    if root.handlers != handlers:
        root.handlers[:] = handlers
    sys.excepthook, threading.excepthook = hooks
    for name in os.environ.keys() - environment.keys():
        del os.environ[name]
    for name, value in environment.items():
        if os.environ.get(name) != value:
            os.environ[name] = value
