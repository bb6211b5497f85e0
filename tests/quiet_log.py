"""The log's set-up around commands of `./run`, which set up the log of the whole process: later
tests look for lines in it."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import structlog


@contextmanager
def log_kept() -> Iterator[None]:
    config, root = structlog.get_config(), logging.getLogger()
    level = root.level
    yield
    structlog.configure(**config)
    root.setLevel(level)
    for handler in [one for one in root.handlers if type(one) is logging.StreamHandler]:
        root.removeHandler(handler)
