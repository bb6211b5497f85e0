"""Failures that the provider bills, and who pays for them."""

import asyncio
import base64
import json
from decimal import Decimal
from typing import Any

import httpx
import pytest

from api.generations import store
from api.generations.making import late_costs, steps
from api.generations.making.late_costs import LateCosts
from api.ids import now
from api.media import decoders
from api.media.service import MediaService
from api.schemas import MICRO
from sandbox.faults import Fault
from tests.api.generations.test_admin import spent_by_all
from tests.api.generations.test_jobs import SEEDREAM, both, finished, money, until
from tests.api.harness import Api
from tests.rules.source import ROOT
from tests.sandbox_server import Sandbox

CASES = ROOT / "tests" / "cases"


@pytest.fixture
def database(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(getattr(request, "param", "postgres_url")))


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "FETCH_FIRST", 0.01)


def billed(usd: float) -> Fault:
    """Return an answer without a picture that costs something."""
    return Fault(
        call="images",
        kind="instead",
        status=200,
        value=json.dumps({"data": [], "usage": {"cost": usd}}),
    )


def answered(name: str) -> Fault:
    return Fault(call="images", kind="instead", status=200, value=(CASES / name).read_text())


async def image(user: httpx.AsyncClient, **body: Any) -> dict[str, Any]:
    answer = await user.post(
        "/generate/image",
        json={"prompt": "x", "model": SEEDREAM, **body},
        headers={"Prefer": "respond-async"},
    )
    assert answer.status_code == 202, answer.text
    made: dict[str, Any] = answer.json()
    return made


@both
async def test_a_billed_failure_is_not_repeated_and_not_paid_by_its_person(
    api: Api, user: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    sandbox.break_with(billed(0.4))
    failed = await finished(api, await image(user))
    seen = (failed["status"], failed["error"]["reason"], failed["error"]["charged_usd"])
    assert seen == ("failed", "no_image", "0.000000")
    assert (failed["cost_usd"], failed["refunded"]) == ("0.400000", True)
    assert len(sandbox.calls("images")) == 1, "another try would be paid too"
    assert await money(user) == ("0.000000", "0.000000")
    assert await spent_by_all(api) == "0.400000"
    assert await api.services.budget.audit() == []


@both
async def test_failures_are_not_free_for_ever(
    api: Api, user: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    """$2.40 billed on a budget of $0.50 must not be possible again and again."""
    await api.services.db.execute("UPDATE users SET monthly_micro = $1", MICRO // 2)
    sandbox.break_with(billed(0.3))
    charged = [(await finished(api, await image(user)))["error"]["charged_usd"] for _ in range(3)]
    assert charged == ["0.000000", "0.300000", "0.300000"], (
        "the first is given back, then a tenth of the month is used up"
    )
    assert (await money(user))[0] == "0.600000"
    refused = await user.post("/generate/image", json={"prompt": "x", "model": SEEDREAM})
    assert (refused.status_code, refused.json()["code"]) == (402, "budget_exceeded")
    assert await spent_by_all(api) == "0.900000"
    assert await api.services.budget.audit() == []


@both
async def test_failures_at_the_same_moment_do_not_pass_the_rule_together(
    api: Api, user: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    await api.services.db.execute("UPDATE users SET monthly_micro = $1", MICRO)
    sandbox.break_with(billed(0.2), image=0.1)
    made = [await image(user) for _ in range(3)]
    ended = await asyncio.gather(*[finished(api, each) for each in made])
    found = sorted(each["error"]["charged_usd"] for each in ended)
    assert found == ["0.000000", "0.200000", "0.200000"]
    assert await api.services.budget.audit() == []


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (answered("partial-images/partial_filtered.images.json"), None),
        (answered("partial-images/partial_bad.images.json"), None),
        (answered("partial-images/partial_corrupt.images.json"), None),
        (
            Fault(
                call="images",
                kind="instead",
                status=200,
                value='{"data": [{"b64_json": "AAAA"}], "usage": {"cost": 0.08}}',
            ),
            "unusable_image",
        ),
        (
            Fault(
                call="images",
                kind="instead",
                status=200,
                value='{"data": "no list", "usage": {"cost": 0.08}}',
            ),
            "unreadable_answer",
        ),
        (
            Fault(
                call="images",
                kind="instead",
                status=200,
                value='{"data": [{"url": "https://127.0.0.1/x"}], "usage": {"cost": 0.08}}',
            ),
            "not_fetched",
        ),
    ],
)
async def test_good_pictures_are_kept_and_the_bill_is_booked(
    api: Api, user: httpx.AsyncClient, sandbox: Sandbox, fault: Fault, reason: str | None
) -> None:
    sandbox.break_with(fault)
    made = await finished(api, await image(user, n=2))
    assert len(sandbox.calls("images")) == 1
    cost = "0.040000" if "filtered" in fault.value else "0.080000"
    assert await spent_by_all(api) == cost
    if reason is None:
        assert (made["status"], len(made["images"]), made["cost_usd"]) == ("completed", 1, cost)
        assert (await money(user))[0] == cost
    else:
        assert (made["status"], made["error"]["reason"]) == ("failed", reason)


async def test_more_pictures_than_asked_for_cost_what_was_asked_for(
    api: Api, user: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    good = json.loads((CASES / "partial-images/partial_bad.images.json").read_text())["data"][0][
        "b64_json"
    ]
    items = [{"b64_json": each} for each in ("AAAA", good, good, good)]
    sandbox.break_with(
        Fault(
            call="images",
            kind="instead",
            status=200,
            value=json.dumps({"data": items, "usage": {"cost": 0.16}}),
        )
    )
    made = await finished(api, await image(user))
    assert (made["status"], len(made["images"]), made["cost_usd"]) == ("completed", 1, "0.040000")
    assert (await money(user))[0] == "0.040000"
    assert await spent_by_all(api) == "0.160000"
    refund = await (await api.admin()).post(
        f"/admin/generations/{made['id']}/refund", json={"reason": "x"}
    )
    assert refund.status_code == 200
    assert (await money(user))[0] == "0.000000", "no more is given back than was paid"
    assert await api.services.budget.audit() == []


@pytest.mark.parametrize(("stopped", "paid"), [(False, "0.000000"), (True, "0.300000")])
async def test_a_video_that_fails_and_is_billed_is_paid_by_who_stopped_it(
    api: Api, user: httpx.AsyncClient, sandbox: Sandbox, stopped: bool, paid: str
) -> None:
    sandbox.break_with(
        Fault(call="videos.job", kind="ends_as", value="expired", metadata={"cost": 0.3}), video=1
    )
    made = (await user.post("/generate/video", json={"prompt": "waves"})).json()
    if stopped:
        await until(api, made["id"], phase="poll")
        await user.post(f"/generations/{made['id']}/cancel")
    row = await until(api, made["id"], phase="done")
    assert (row.status, row.cost_micro) == ("cancelled" if stopped else "failed", 300_000)
    assert (await money(user), await spent_by_all(api)) == ((paid, "0.000000"), "0.300000")


async def late(api: Api) -> None:
    await LateCosts(api.services.db, api.services.provider, api.services.budget).run()


@both
@pytest.mark.parametrize(("stopped", "paid"), [(False, "0.000000"), (True, "0.200000")])
async def test_a_video_that_comes_after_our_deadline_is_booked_once_it_is_known(
    api: Api, user: httpx.AsyncClient, sandbox: Sandbox, stopped: bool, paid: str
) -> None:
    sandbox.break_with(video=2)
    made = (await user.post("/generate/video", json={"prompt": "waves"})).json()
    await until(api, made["id"], phase="poll")
    if stopped:
        await user.post(f"/generations/{made['id']}/cancel")
    await api.services.db.execute("UPDATE generations SET followed_ms = 3600000")
    row = await until(api, made["id"], phase="done")
    assert (row.cost_micro, await spent_by_all(api)) == (None, "0.000000")
    if not stopped:
        seen = (await user.get(f"/generations/{made['id']}")).json()
        assert (seen["error"]["reason"], seen["error"]["charged_usd"]) == ("timed_out", None)
    while (await api.services.provider.check_video(row.provider_id or "")).state == "running":
        await late(api)
        await asyncio.sleep(0.2)
    for _ in range(2):
        await late(api)
        assert (await money(user), await spent_by_all(api)) == ((paid, "0.000000"), "0.200000")
    assert await api.services.budget.audit() == []


async def test_a_lost_outcome_that_the_provider_names_later_is_booked(
    api: Api, user: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    sandbox.break_with(Fault(call="videos.submit", kind="lost", times=1))
    made = (await user.post("/generate/video", json={"prompt": "waves"})).json()
    await until(api, made["id"], phase="needs_review")
    answer = await (await api.admin()).post(
        f"/admin/generations/{made['id']}/resolve", json={"outcome": "failed_free"}
    )
    assert answer.status_code == 200
    await late(api)
    assert await spent_by_all(api) == "0.000000", "nobody knows its id"
    sandbox.break_with()
    other = await finished(
        api, (await user.post("/generate/video", json={"prompt": "other"})).json()
    )
    told = await store.get(api.services.db, other["id"])
    assert told is not None
    await store.add_event(
        api.services.db, f"{told.provider_id}:video.generation.completed", made["id"], "{}", now()
    )
    await late(api)
    assert Decimal(await spent_by_all(api)) == 2 * Decimal(other["cost_usd"])
    assert (await money(user))[0] == other["cost_usd"], "what came to nothing is not theirs"


async def test_a_cost_that_is_never_told_keeps_no_other_waiting(
    api: Api, user: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(late_costs, "AT_ONCE", 1)
    jobs = [(await user.post("/generate/video", json={"prompt": "x"})).json() for _ in range(2)]
    for job in jobs:
        await until(api, job["id"], phase="done")
    db = api.services.db
    await db.execute("UPDATE generations SET status = 'failed', cost_micro = NULL")
    await db.execute("UPDATE generations SET provider_id = 'x' WHERE id = $1", jobs[0]["id"])
    costs = LateCosts(db, api.services.provider, api.services.budget)
    for _ in range(2):
        await costs.run()
    found = await store.get(db, jobs[1]["id"])
    assert found is not None
    assert found.cost_micro == 200_000


@pytest.mark.parametrize("lost", [False, True])
async def test_an_error_that_nobody_foresaw_costs_no_booking(
    api: Api,
    user: httpx.AsyncClient,
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    lost: bool,
) -> None:
    data = (CASES / "jpeg-mpf/mpo.jpg").read_bytes()
    body = {"data": [{"b64_json": base64.b64encode(data).decode()}], "usage": {"cost": 0.04}}
    sandbox.break_with(Fault(call="images", kind="instead", status=200, value=json.dumps(body)))
    monkeypatch.setattr(decoders, "KINDS", {})
    if lost:
        monkeypatch.delattr(MediaService, "_keep_picture")
    made = await finished(api, await image(user))
    assert await spent_by_all(api) == "0.040000"
    assert await api.services.budget.audit() == []
    if lost:
        assert (made["status"], made["error"]["reason"]) == ("failed", "charged_and_lost")
        assert made["error"]["charged_usd"] is not None
    else:
        (kept,) = made["images"]
        assert (kept["content_type"], kept["width"]) == ("image/jpeg", None)
        assert (await api.client.get(kept["url"])).content == data
    assert api.services.background.failing.keys() == {"step"}, "said, until a step goes well"


async def test_a_picture_with_an_index_of_more_is_kept_as_it_came(
    api: Api, user: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    data = (CASES / "jpeg-mpf/mpo.jpg").read_bytes()
    body = {"data": [{"b64_json": base64.b64encode(data).decode()}], "usage": {"cost": 0.04}}
    sandbox.break_with(Fault(call="images", kind="instead", status=200, value=json.dumps(body)))
    made = await finished(api, await image(user))
    assert (made["status"], made["images"][0]["content_type"]) == ("completed", "image/jpeg")
    assert (await api.client.get(made["images"][0]["url"])).content == data


async def test_a_bill_of_our_own_key_at_a_supplier_is_booked(
    api: Api, user: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    sandbox.break_with(answered("byok-cost/byok_img.images.json"))
    assert (await finished(api, await image(user)))["cost_usd"] == "0.039000"
    assert (await money(user))[0] == "0.039000"


@pytest.mark.parametrize("kind", ["cut", "garbage"])
async def test_an_answer_that_broke_off_is_booked_once_the_provider_says_what_it_cost(
    api: Api, user: httpx.AsyncClient, sandbox: Sandbox, kind: str
) -> None:
    sandbox.break_with(Fault.model_validate({"call": "images", "kind": kind}), generation=0)
    failed = await finished(api, await image(user))
    seen = (failed["error"]["code"], failed["error"]["charged_usd"], failed["cost_usd"])
    assert seen == ("outcome_unknown", None, None)
    await late(api)
    assert (await money(user), await spent_by_all(api)) == (("0.000000", "0.000000"), "0.040000")
    assert len(sandbox.calls("images")) == 1
