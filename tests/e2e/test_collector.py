"""Traces, metrics and error reports of all processes, as servers of these kinds get them."""

import pytest

from tests.e2e.people import Account, containing, person_on
from tests.fakes.collector import Collector, running_collector
from tests.stack import running_stack

pytestmark = pytest.mark.timeout(180)

PROMPT = "a quokka plays the theremin"


@pytest.fixture
async def sent() -> Collector:
    """Return all that the processes have sent after a picture and an error of each kind."""
    with running_collector() as collector, person_on("telegram") as person:
        watched = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "OTEL_EXPORTER_OTLP_HEADERS": "x-tenant=studio",
            "OTEL_BSP_SCHEDULE_DELAY": "100",
            "SENTRY_DSN": collector.dsn,
            "SANDBOX_IMAGE_SECONDS": "0.2",
        }
        with running_stack(**person.env(), extra_env=watched, without=frozenset({"web"})) as stack:
            await person.connected()
            account = Account(stack)
            await account.link(person)
            person.says("image", PROMPT)
            await person.sees(containing(PROMPT, files=1))
            account.close()
            for name in ("telegram", "api"):
                stack.stop(name)
        collector.secrets = [person.env()["telegram"].token]
        return collector


async def test_one_trace_tells_the_whole_story(sent: Collector) -> None:
    (asked,) = (span for _, span in sent.spans if span.name == "asked image")
    story = {(who, span.name) for who, span in sent.spans if span.trace_id == asked.trace_id}
    assert {
        ("allucanget-telegram", "asked image"),
        ("allucanget-api", "POST /generate/image"),
        ("allucanget-api", "step submit"),
        ("allucanget-api", "provider chat"),
        ("allucanget-api", "db transaction"),
        ("allucanget-telegram", "deliver generation_completed"),
    } <= story
    (taken,) = (span for _, span in sent.spans if span.name == "POST /generate/image")
    assert taken.parent_span_id == asked.span_id
    assert all(headers.get("x-tenant") == "studio" for headers in sent.headers[:1])


async def test_metrics_are_those_of_prometheus(sent: Collector) -> None:
    found = {(who, metric.name): metric for who, metric in sent.metrics}
    memory = found["allucanget-api", "process_resident_memory_bytes"].gauge
    assert memory.data_points[0].as_double > 0
    assert found["allucanget-telegram", "allucanget_chat_sends"].sum.is_monotonic
    seconds = found["allucanget-api", "allucanget_http_request_seconds"]
    assert seconds.unit == "s"
    for point in seconds.histogram.data_points:
        assert len(point.bucket_counts) == len(point.explicit_bounds) + 1
        assert sum(point.bucket_counts) == point.count


async def test_no_prompt_and_no_secret_is_in_any_of_it(sent: Collector) -> None:
    everything = b"\n".join(sent.bodies)
    assert len(everything) > 10_000
    assert [word for word in (PROMPT, *sent.secrets) if word.encode() in everything] == []
