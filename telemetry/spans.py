"""Spans of the work of a request, as an OpenTelemetry collector gets them.

They are made in a few places by hand. The ready-made instrumentations would send whole addresses,
which hold the bot's token and signatures, and statements' values. Without a collector nothing is
imported, and a span costs nothing.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from structlog import get_logger

from telemetry.ending import at_end
from telemetry.requests import given_trace, request_id

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opentelemetry.context import Context
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.sdk.trace.id_generator import IdGenerator
    from opentelemetry.trace import Span, Tracer

log = get_logger("telemetry")

Kind = Literal["internal", "server", "client", "consumer"]
SEND_SECONDS = 5.0
_TRACE_ID = re.compile(r"[0-9a-f]{32}")


class OpenSpan:
    """A span that may learn more until it ends; nothing without a collector."""

    def __init__(self, span: Span | None = None) -> None:
        self._span = span

    def rename(self, name: str) -> None:
        if self._span is not None:
            self._span.update_name(name)

    def note(self, **attributes: str | int | float | bool) -> None:
        if self._span is not None:
            self._span.set_attributes(attributes)

    def fail(self) -> None:
        """Mark it, without a text: that may hold anybody's data."""
        if self._span is not None:
            from opentelemetry.trace import StatusCode

            self._span.set_status(StatusCode.ERROR)


_NO_SPAN = OpenSpan()


class Collector:
    """The collector of this process, once it is known; says once that it is away."""

    def __init__(self) -> None:
        self.endpoint: str | None = None
        self.headers: dict[str, str] = {}
        self.resource: Resource | None = None
        self._tracer: Tracer | None = None
        self._is_away = False

    def start(self, endpoint: str, headers: str, process: str, version: str) -> None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        self.endpoint, self.headers = endpoint, _headers(headers)
        self.resource = Resource.create(
            {
                "service.name": f"allucanget-{process}",
                "service.version": version,
                "service.instance.id": f"{os.uname().nodename}:{os.getpid()}",
            }
        )
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # `sent` tells it, once
        provider = TracerProvider(
            resource=self.resource, id_generator=_ids(), shutdown_on_exit=False
        )
        exporter = OTLPSpanExporter(
            f"{endpoint}/v1/traces", headers=self.headers, timeout=SEND_SECONDS
        )
        provider.add_span_processor(BatchSpanProcessor(_watched(exporter, self.sent)))
        self._tracer = provider.get_tracer("allucanget", version)
        at_end(provider.force_flush)

    @property
    def traceparent(self) -> str | None:
        """Return the header by which the next process continues the span that is open here."""
        if self._tracer is None:
            return None
        from opentelemetry.trace import get_current_span

        here = get_current_span().get_span_context()
        if not here.is_valid:
            return None
        return f"00-{here.trace_id:032x}-{here.span_id:016x}-{int(here.trace_flags):02x}"

    def sent(self, *, well: bool) -> None:
        """Hear whether something arrived."""
        if well == self._is_away:
            self._is_away = not well
            if well:
                log.info("collector_is_back", endpoint=self.endpoint)
            else:
                log.warning("collector_is_away", endpoint=self.endpoint)

    @contextmanager
    def span(
        self,
        name: str,
        kind: Kind = "internal",
        *,
        inside: bool = False,
        **attributes: str | int | float | bool | None,
    ) -> Iterator[OpenSpan]:
        """A span around a block. `inside`: only as a part of another one."""
        if self._tracer is None:
            yield _NO_SPAN
            return
        from opentelemetry import trace

        if inside and not trace.get_current_span().get_span_context().is_valid:
            yield _NO_SPAN
            return
        known = {name: value for name, value in attributes.items() if value is not None}
        if (named := request_id()) is not None and not inside:
            known["request_id"] = named
        with self._tracer.start_as_current_span(
            name,
            kind=trace.SpanKind[kind.upper()],
            context=_parent(),
            attributes=known,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            opened = OpenSpan(span)
            try:
                yield opened
            except Exception:
                opened.fail()
                raise


collector = Collector()
span = collector.span


def _headers(text: str) -> dict[str, str]:
    pairs = (each.partition("=") for each in text.split(",") if "=" in each)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def _parent() -> Context | None:
    """Return the caller's span where none is open here."""
    from opentelemetry import trace
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    given = given_trace()
    if given is None or trace.get_current_span().get_span_context().is_valid:
        return None
    return TraceContextTextMapPropagator().extract({"traceparent": given})


def _ids() -> IdGenerator:
    from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

    class Ids(RandomIdGenerator):
        """One trace for one request: worker and delivery, which begin later and elsewhere, find it
        by the request's name."""

        def generate_trace_id(self) -> int:
            named = request_id()
            if named is None:
                return super().generate_trace_id()
            if not _TRACE_ID.fullmatch(named):
                named = hashlib.sha256(named.encode()).hexdigest()[:32]
            return int(named, 16) or 1

    return Ids()


def _watched(inner: SpanExporter, sent: Callable[..., None]) -> SpanExporter:
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

    class Watched(SpanExporter):
        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            result = inner.export(spans)
            sent(well=result is SpanExportResult.SUCCESS)
            return result

        def shutdown(self) -> None:
            inner.shutdown()

    return Watched()
