"""Images and videos from the request to the file, on both engines, with a provider over real
HTTP."""

import asyncio
import io
from decimal import Decimal
from typing import Any

import av
import httpx
import pytest
from PIL import Image

from api.generations import store, transitions
from api.generations.accepting import service
from api.generations.store import Generation
from api.schemas import micro, usd
from tests.api.harness import Api
from tests.sandbox_server import Sandbox

KLEIN = "black-forest-labs/flux.2-klein-4b"
SEEDREAM = "bytedance-seed/seedream-4.5"
DALLE = "openai/dall-e-3"


both = pytest.mark.parametrize("database", ["duckdb_path", "postgres_url"], indirect=True)
"""For tests of the writes themselves; everything else works alike on either engine."""


@pytest.fixture
def database(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(getattr(request, "param", "postgres_url")))


async def finished(api: Api, generation: dict[str, Any]) -> dict[str, Any]:
    """Wait for the end as the synchronous route does, without asking in a loop."""
    row = await store.get(api.services.db, generation["id"])
    assert row is not None
    row = await api.services.generations.wait(row, 60)
    return (await api.services.reader.outs([row]))[0].model_dump(mode="json")


async def money(user: httpx.AsyncClient) -> tuple[str, str]:
    me = (await user.get("/users/me")).json()
    return me["spent_usd"], me["held_usd"]


@both
async def test_an_image_is_made_kept_and_paid(api: Api, user: httpx.AsyncClient) -> None:
    answer = await user.post("/generate/image", json={"prompt": "a fox in snow"})
    assert answer.status_code == 200, answer.text
    made = answer.json()
    seen = (made["status"], made["kind"], made["mode"], made["source"])
    assert seen == ("completed", "image", "text_to_image", "api")
    assert made["sandbox"]
    file = await api.client.get(made["images"][0]["url"])
    found = Image.open(io.BytesIO(file.content)).size
    assert found == (made["images"][0]["width"], made["images"][0]["height"])
    shown = (await api.client.get(made["images"][0]["thumbnail_url"])).headers["content-type"]
    assert shown == "image/webp"
    assert await money(user) == (made["cost_usd"], "0.000000")


@pytest.mark.parametrize(
    ("model", "kind"), [(KLEIN, "chat"), (SEEDREAM, "images"), (DALLE, "generations")]
)
async def test_the_route_follows_the_lists(
    user: httpx.AsyncClient, sandbox: Sandbox, model: str, kind: str
) -> None:
    answer = await user.post("/generate/image", json={"prompt": "a fox", "model": model})
    assert answer.status_code == 200, answer.text
    assert len(answer.json()["images"]) == 1
    paid = [call["kind"] for call in sandbox.calls() if call["method"] == "POST"]
    assert paid == [kind]


async def test_several_images_are_all_kept(user: httpx.AsyncClient) -> None:
    answer = await user.post("/generate/image", json={"prompt": "a fox", "n": 2, "model": SEEDREAM})
    assert len(answer.json()["images"]) == 2


async def test_respond_async_answers_at_once_with_the_job(
    api: Api, user: httpx.AsyncClient
) -> None:
    answer = await user.post(
        "/generate/image", json={"prompt": "a fox"}, headers={"Prefer": "respond-async"}
    )
    assert answer.status_code == 202
    assert answer.json()["status"] in {"queued", "processing"}
    assert (await finished(api, answer.json()))["status"] == "completed"


@both
async def test_a_video_is_followed_fetched_and_playable(api: Api, user: httpx.AsyncClient) -> None:
    answer = await user.post("/generate/video", json={"prompt": "waves at night"})
    assert answer.status_code == 202, answer.text
    made = await finished(api, answer.json())
    assert made["status"] == "completed", made["error"]
    status = (await user.get(f"/generate/video/{made['id']}/status")).json()
    seen = (status["status"], status["progress"], status["elapsed_seconds"])
    assert seen == ("completed", 1.0, made["elapsed_seconds"])
    assert 0 <= made["elapsed_seconds"] <= 60
    file = await api.client.get(status["video_url"])
    with av.open(io.BytesIO(file.content)) as container:
        assert container.streams.video[0].codec_context.name == "h264"
    assert made["video"]["duration"] == pytest.approx(made["options"]["duration"], abs=0.2)
    assert made["thumbnail_url"]
    assert await money(user) == (made["cost_usd"], "0.000000")


async def test_a_video_starts_from_an_uploaded_image(
    api: Api, user: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    picture = io.BytesIO()
    Image.new("RGB", (640, 360), "teal").save(picture, "PNG")
    upload = await user.post("/uploads", files={"file": ("p.png", picture.getvalue(), "image/png")})
    assert upload.status_code in {200, 201}, upload.text
    answer = await user.post(
        "/generate/video/from-image",
        json={"prompt": "let it snow", "image_id": upload.json()["id"]},
    )
    assert answer.status_code == 202, answer.text
    made = await finished(api, answer.json())
    assert (made["mode"], made["status"]) == ("image_to_video", "completed")
    assert len(sandbox.calls("videos.submit")) == 1


@both
async def test_the_same_key_makes_one_job(user: httpx.AsyncClient, sandbox: Sandbox) -> None:
    body, key = {"prompt": "a fox"}, {"Idempotency-Key": "tg:1"}
    first = await user.post("/generate/image", json=body, headers=key)
    second = await user.post("/generate/image", json=body, headers=key)
    assert first.json()["id"] == second.json()["id"]
    assert len([call for call in sandbox.calls() if call["method"] == "POST"]) == 1
    other = await user.post("/generate/image", json={"prompt": "a wolf"}, headers=key)
    assert (other.status_code, other.json()["code"]) == (409, "conflict")


@both
async def test_cancel_before_the_provider_has_it_frees_the_money(
    api: Api, user: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    sandbox.break_with(image=20)
    # all places of this user are taken
    for _ in range(transitions.IMAGES_PER_USER):
        taken = (
            await user.post(
                "/generate/image", json={"prompt": "x"}, headers={"Prefer": "respond-async"}
            )
        ).json()
        await until(api, taken["id"], phase="submitting")
    held = (await money(user))[1]
    mine = (
        await user.post(
            "/generate/image", json={"prompt": "mine"}, headers={"Prefer": "respond-async"}
        )
    ).json()
    assert (mine["queue_position"], mine["elapsed_seconds"]) == (1, None)
    assert (await user.get(f"/generate/video/{mine['id']}/status")).json()["queue_position"] == 1
    cancelled = await user.post(f"/generations/{mine['short_id']}/cancel")
    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")
    assert await money(user) == ("0.000000", held)
    again = await user.post(f"/generations/{mine['id']}/cancel")
    assert (again.status_code, again.json()["code"]) == (409, "already_finished")


@both
async def test_cancel_after_the_submit_still_books_the_real_cost(
    api: Api, user: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    sandbox.break_with(video=1.5)
    made = (await user.post("/generate/video", json={"prompt": "waves"})).json()
    await until(api, made["id"], phase="poll")
    cancelled = await user.post(f"/generate/video/{made['id']}/cancel")
    assert cancelled.json()["status"] == "cancelled"
    row = await until(api, made["id"], phase="done")
    assert (row.status, row.cost_micro is not None and row.cost_micro > 0) == ("cancelled", True)
    spent, held = await money(user)
    assert held == "0.000000"
    assert spent != "0.000000"


async def until(api: Api, generation_id: str, *, phase: str) -> Generation:
    """Wait for the phase; each step of the worker rings."""
    with api.services.wake.listen("worker") as listener:
        for _ in range(200):
            row = await store.get(api.services.db, generation_id)
            assert row is not None
            if row.phase == phase:
                return row
            await listener.wait(1)
    raise AssertionError(f"{phase} was not reached: {row}")


@both
async def test_lists_page_and_filter(user: httpx.AsyncClient) -> None:
    made = [
        (await user.post("/generate/image", json={"prompt": f"fox {number}"})).json()
        for number in range(3)
    ]
    page = (await user.get("/generations?limit=2")).json()
    assert [item["prompt"] for item in page["items"]] == ["fox 2", "fox 1"]
    rest = (await user.get(f"/generations?limit=2&cursor={page['next_cursor']}")).json()
    assert ([item["prompt"] for item in rest["items"]], rest["next_cursor"]) == (["fox 0"], None)
    assert (await user.get("/generations?kind=video")).json()["items"] == []
    assert len((await user.get("/generations?q=FOX 1")).json()["items"]) == 1
    await user.put(f"/generations/{made[0]['id']}/favourite", json={"favourite": True})
    found = [item["id"] for item in (await user.get("/generations?favourite=true")).json()["items"]]
    assert found == [made[0]["id"]]
    assert (await user.delete(f"/generations/{made[0]['id']}")).status_code == 204
    assert (await user.get(f"/generations/{made[0]['id']}")).status_code == 404


async def test_anothers_generation_is_as_unknown_as_none(api: Api, user: httpx.AsyncClient) -> None:
    mine = (await user.post("/generate/image", json={"prompt": "private"})).json()
    other = await api.user("eve")
    for method, path in [
        ("GET", f"/generations/{mine['id']}"),
        ("GET", f"/generations/{mine['short_id']}"),
        ("GET", f"/generate/video/{mine['id']}/status"),
        ("POST", f"/generations/{mine['id']}/cancel"),
        ("DELETE", f"/generations/{mine['id']}"),
    ]:
        answer = await other.request(method, path)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), path
    stolen = await other.post(
        "/generate/video/from-image", json={"prompt": "x", "image_id": mine["images"][0]["id"]}
    )
    assert stolen.status_code == 404
    reported = await other.post("/users/me/reports", json={"generation_id": mine["id"]})
    assert reported.status_code == 404


BAD: list[tuple[dict[str, Any], int, str, str | None]] = [
    ({"prompt": ""}, 422, "invalid_request", "prompt"),
    ({"prompt": "   "}, 422, "invalid_request", "prompt"),
    ({"prompt": "x" * 20_000}, 422, "invalid_request", "prompt"),
    ({"prompt": "x", "no_such": 1}, 422, "invalid_request", "no_such"),
    ({"prompt": "nul \x00"}, 422, "invalid_request", None),
    ({"prompt": "x", "model": "nobody/nothing"}, 422, "model_unavailable", None),
    ({"prompt": "x", "model": "google/veo-3.1-lite"}, 422, "model_unavailable", None),
    (
        {"prompt": "x", "model": KLEIN, "aspect_ratio": "7:3"},
        422,
        "option_unsupported",
        "aspect_ratio",
    ),
    ({"prompt": "x", "input_images": ["nope"], "model": SEEDREAM}, 404, "not_found", None),
]


async def test_bad_input_is_named_and_costs_nothing(
    user: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    for body, status, code, field in BAD:
        answer = await user.post("/generate/image", json=body)
        problem = answer.json()
        assert (answer.status_code, problem["code"]) == (status, code), answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        assert problem["detail"]
        assert field is None or field in [item["field"] for item in problem["fields"]], body
    assert await money(user) == ("0.000000", "0.000000")
    assert [call for call in sandbox.calls() if call["method"] == "POST"] == []


@both
async def test_no_more_than_the_budget_is_ever_accepted(
    api: Api, user: httpx.AsyncClient, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """128 requests come at the same moment, against a budget for ten."""
    monkeypatch.setattr(service, "UNFINISHED_MAX", 1000)
    sandbox.break_with(image=60)
    estimate = (
        await user.post("/generate/estimate", json={"kind": "image", "model": DALLE})
    ).json()
    each = micro(Decimal(estimate["cost_usd"]))
    assert (each > 0, estimate["balance_usd"]) == (True, "10.000000")
    await api.services.db.execute("UPDATE users SET monthly_micro = $1", 11 * each - 1)
    tries = [
        user.post(
            "/generate/image",
            json={"prompt": "x", "model": DALLE},
            headers={"Prefer": "respond-async"},
        )
        for _ in range(128)
    ]
    codes = sorted([answer.status_code for answer in await asyncio.gather(*tries)])
    assert codes == [202] * 10 + [402] * 118
    assert await money(user) == ("0.000000", f"{10 * usd(each):.6f}")
    assert await api.services.budget.audit() == []


@both
async def test_too_many_jobs_at_once_are_refused_in_words(
    user: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    sandbox.break_with(image=20)
    answers = [
        await user.post(
            "/generate/image", json={"prompt": "x"}, headers={"Prefer": "respond-async"}
        )
        for _ in range(11)
    ]
    assert [answer.status_code for answer in answers] == [202] * 10 + [429]
    assert answers[-1].json()["code"] == "too_many_jobs"
    assert "Retry-After" in answers[-1].headers
