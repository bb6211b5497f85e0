"""One log format for our own lines and the libraries'."""

import logging
import re
import sys

import structlog
from structlog.typing import EventDict, WrappedLogger

_SECRETS = re.compile(
    r"(bot\d+:[A-Za-z0-9_-]{20,}|sk-or-[A-Za-z0-9_-]{8,}|eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_.-]+)"
)


def mask_secrets(logger: WrappedLogger, name: str, event: EventDict) -> EventDict:
    """Mask tokens and keys in a line, whoever wrote it."""
    return {
        key: _SECRETS.sub("***", value) if isinstance(value, str) else value
        for key, value in event.items()
    }


def configure(level: int = logging.INFO) -> None:
    """Set logging up; called once by a process' entry point."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        mask_secrets,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=20),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for chatty in ("httpx", "httpcore", "uvicorn.access"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
