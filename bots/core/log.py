"""The log of a chat process: one line for each event, without secrets. Libraries' own logs go the
same way."""

import logging
import re
import sys
from typing import TextIO

import structlog

_TELEGRAM_TOKEN = re.compile(r"bot\d+:[A-Za-z0-9_-]{20,}")
_NOISY = ("httpx", "httpcore", "apscheduler", "aiohttp.access")
"""Libraries that log every request with its address, which can hold a credential, or that log
nothing of use."""


def set_up(stream: TextIO = sys.stdout) -> None:
    """Set up the log, once and first of all. The parent process puts its name in front of the
    lines."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                _masked,
                structlog.dev.ConsoleRenderer(colors=stream.isatty()),
            ],
        )
    )
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)


def _masked(
    _logger: object, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    return {key: mask(value) if isinstance(value, str) else value for key, value in event.items()}


def mask(text: str) -> str:
    """The text without anything that looks like a bot token: some libraries put it into addresses
    and errors."""
    return _TELEGRAM_TOKEN.sub("bot***", text)
