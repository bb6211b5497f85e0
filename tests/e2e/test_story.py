"""One id, from a message in a chat to the picture that answers it, in the logs of all processes."""

import json

import pytest

from tests.e2e.people import Account, containing, person_on
from tests.stack import Stack, running_stack

pytestmark = pytest.mark.timeout(180)


def lines(stack: Stack, name: str) -> list[dict[str, str]]:
    return [json.loads(line) for line in stack.log(name).splitlines()]


async def test_one_id_tells_the_whole_story() -> None:
    quick = {"SANDBOX_IMAGE_SECONDS": "0.2"}
    with (
        person_on("telegram") as person,
        running_stack(**person.env(), extra_env=quick, without=frozenset({"web"})) as stack,
    ):
        await person.connected()
        account = Account(stack)
        await account.link(person)
        person.says("image", "a fox in snow")
        await person.sees(containing("a fox in snow", files=1))
        (job,) = account.jobs()
        account.close()
        stack.stop("telegram")
        stack.stop("api")

        told = {name: lines(stack, name) for name in ("telegram", "api")}
        (asked,) = (line for line in told["telegram"] if line.get("command") == "image")
        story = [
            (name, line)
            for name, written in told.items()
            for line in written
            if line.get("request_id") == asked["request_id"]
        ]
        found = {(name, line["event"], line.get("route")) for name, line in story}
        assert {
            ("telegram", "asked", None),
            ("api", "answered", "/generate/image"),
            ("api", "provider_called", None),
            ("api", "generation_done", None),
            ("api", "answered", "/bot/deliveries/{delivery_id}/begin"),
            ("telegram", "delivered", None),
            ("api", "answered", "/bot/deliveries/{delivery_id}/ack"),
        } <= found
        worker = [line for _, line in story if line["event"] == "provider_called"]
        assert [line["generation"] for line in worker] == [job["id"]]
        # nobody reads in a log what people write
        assert [name for name in told if "fox" in stack.log(name)] == []
