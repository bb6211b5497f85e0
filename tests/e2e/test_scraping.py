"""The metrics of every process, read as Prometheus reads them."""

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from telemetry.exporter import PLACES
from tests.e2e.people import Account, containing, person_on
from tests.plain_http import PLAIN
from tests.stack import free_ports, running_stack

pytestmark = pytest.mark.timeout(180)

http = httpx.Client(verify=PLAIN, timeout=30)
TOKEN = "scrape-token-of-a-test"
Samples = dict[tuple[str, tuple[str, ...]], float]


def status(url: str) -> int:
    return http.get(url).status_code


def scraped(url: str) -> Samples:
    answer = http.get(f"{url}/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 200, answer.text
    return {
        (each.name, tuple(each.labels.values())): each.value
        for family in text_string_to_metric_families(answer.text)
        for each in family.samples
    }


async def test_every_process_is_scraped_by_token() -> None:
    base = free_ports(1)[0]
    watched = {
        "METRICS_PORT": str(base),
        "METRICS_TOKEN": TOKEN,
        "METRICS_ALLOW": "192.0.2.0/24",
        "SANDBOX_IMAGE_SECONDS": "0.2",
    }
    with person_on("telegram") as person, running_stack(**person.env(), extra_env=watched) as stack:
        await person.connected()
        account = Account(stack)
        await account.link(person)
        person.says("image", "a fox in snow")
        await person.sees(containing("a fox in snow", files=1))
        account.close()
        for _ in range(10):
            assert status(f"{stack.web_url}/login") == 200
        urls = {name: f"http://127.0.0.1:{base + PLACES[name]}" for name in ("web", "telegram")} | {
            "api": stack.api_url
        }
        for url in urls.values():
            assert status(f"{url}/metrics") == 401
        assert status(f"{urls['telegram']}/") == 404

        found = {name: scraped(url) for name, url in urls.items()}
        for name, samples in found.items():
            memory = [value for (name, _), value in samples.items() if name == "process_open_fds"]
            assert min(memory) > 1, name
        chats, web, api = found["telegram"], found["web"], found["api"]
        assert chats["allucanget_chat_requests_total", ("image", "telegram")] == 1
        assert chats["allucanget_chat_sends_total", ("shown", "telegram")] >= 3
        pages = {
            labels: value
            for (name, labels), value in web.items()
            if name == "allucanget_web_requests_total" and "auth.login" in labels
        }
        assert sum(pages.values()) == 10
        assert [name for name, _ in web].count("process_open_fds") == 1
        assert api["allucanget_disk_free_bytes", ("tightest",)] > 0
        assert sum(value for (name, _), value in api.items() if name == "allucanget_spent_usd") > 0


def test_a_port_that_is_taken_stops_nobody() -> None:
    with running_stack(without=frozenset({"web", "sandbox"})) as stack:
        port = stack.api_url.rpartition(":")[2]
        stack.start("web", extra_env={"METRICS_PORT": str(int(port) - PLACES["web"])})
        assert status(f"{stack.web_url}/healthz") == 200
        assert "metrics_not_served" in stack.log("web")
