"""Repeating a generation with changes, last frames, and costs that have to be confirmed."""

import httpx
import pytest

from tests.api.generations.test_jobs import SEEDREAM, finished, money
from tests.api.harness import Api
from tests.api.media.samples import picture
from tests.sandbox_server import Sandbox


@pytest.fixture
def database(postgres_url: str) -> str:
    """Use one engine: the rows are those of any other request, which is tried on both."""
    return postgres_url


async def test_again_is_the_same_request_with_changes_once_per_key(
    user: httpx.AsyncClient, api: Api
) -> None:
    first = (
        await user.post("/generate/image", json={"prompt": "a fox", "model": SEEDREAM, "n": 2})
    ).json()
    key = {"Idempotency-Key": "again-1"}
    again = await user.post(
        f"/generations/{first['short_id']}/again",
        json={"changes": {"prompt": "a wolf"}},
        headers=key,
    )
    assert again.status_code == 202, again.text
    made = await finished(api, again.json())
    seen = (made["prompt"], made["model"], made["options"], made["parent_id"])
    assert seen == ("a wolf", SEEDREAM, first["options"], first["id"])
    repeated = await user.post(
        f"/generations/{first['id']}/again", json={"changes": {"prompt": "a wolf"}}, headers=key
    )
    assert repeated.json()["id"] == made["id"]
    answer = await user.post(f"/generations/{first['id']}/again", json={}, headers=key)
    assert answer.status_code == 409
    assert (await user.post(f"/generations/{first['id']}/again")).json()["prompt"] == "a fox"


async def test_another_model_leaves_out_what_it_does_not_take(user: httpx.AsyncClient) -> None:
    first = (
        await user.post(
            "/generate/image", json={"prompt": "a fox", "model": SEEDREAM, "aspect_ratio": "16:9"}
        )
    ).json()
    changes = {"model": "openai/dall-e-3"}
    again = await user.post(f"/generations/{first['id']}/again", json={"changes": changes})
    assert again.status_code == 202, again.text
    assert "aspect_ratio" not in again.json()["options"]
    asked = await user.post(
        f"/generations/{first['id']}/again", json={"changes": {**changes, "aspect_ratio": "16:9"}}
    )
    assert (asked.status_code, asked.json()["code"]) == (422, "option_unsupported")
    wrong = await user.post(f"/generations/{first['id']}/again", json={"changes": {"duration": 5}})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "option_unsupported")


async def test_a_video_between_two_images(
    user: httpx.AsyncClient, sandbox: Sandbox, api: Api
) -> None:
    images = (
        await user.post("/generate/image", json={"prompt": "a fox", "model": SEEDREAM, "n": 2})
    ).json()["images"]
    models = (await user.get("/models?kind=video")).json()["items"]
    can = {model["id"]: "last_frame" in model["capabilities"]["frame_images"] for model in models}
    body = {"prompt": "x", "image_id": images[0]["id"], "last_image_id": images[1]["id"]}
    capable = next(name for name, able in can.items() if able)
    made = await user.post("/generate/video/from-image", json={**body, "model": capable})
    assert made.status_code == 202, made.text
    assert (await finished(api, made.json()))["status"] == "completed"
    again = await user.post(f"/generations/{made.json()['id']}/again")
    assert (await finished(api, again.json()))["mode"] == "image_to_video"
    row = await api.services.reader.owned(
        (await user.get("/users/me")).json()["id"], again.json()["id"]
    )
    found = [(one.frame, one.media_id) for one in row.inputs]
    assert found == [("first_frame", images[0]["id"]), ("last_frame", images[1]["id"])]
    for incapable in [name for name, able in can.items() if not able][:1]:
        refused = await user.post("/generate/video/from-image", json={**body, "model": incapable})
        assert refused.status_code == 422


async def test_a_generation_made_from_own_results_names_the_first_of_them(
    user: httpx.AsyncClient, api: Api
) -> None:
    first, second = [
        (await user.post("/generate/image", json={"prompt": "a fox", "model": SEEDREAM})).json()
        for _ in range(2)
    ]
    image, other = first["images"][0]["id"], second["images"][0]["id"]
    upload = (
        await user.post("/uploads", files={"file": ("p.png", picture(), "image/png")})
    ).json()["id"]

    async def origin(kind: str, **asked: object) -> tuple[str | None, str]:
        made = await user.post(f"/generate/{kind}", json={"prompt": "x", **asked})
        assert made.status_code in {200, 202}, made.text
        return made.json()["parent_id"], made.json()["id"]

    edit = {"model": SEEDREAM, "input_images": [upload, image, other]}
    parent, edited = await origin("image", **edit)
    assert parent == first["id"]
    assert (await origin("image", model=SEEDREAM, input_images=[upload]))[0] is None
    assert (await user.post(f"/generations/{edited}/again")).json()["parent_id"] == edited, (
        "more than the picture was taken over"
    )
    models = (await user.get("/models?kind=video")).json()["items"]
    model = next(one["id"] for one in models if "last_frame" in one["capabilities"]["frame_images"])
    for asked, parent in (
        ({"image_id": other, "last_image_id": image}, second["id"]),
        ({"image_id": upload, "last_image_id": image}, first["id"]),
        ({"image_id": image}, first["id"]),
        ({"image_id": upload}, None),
    ):
        assert (await origin("video/from-image", model=model, **asked))[0] == parent


async def test_a_cost_above_the_users_threshold_has_to_be_confirmed(
    user: httpx.AsyncClient,
) -> None:
    body = {"prompt": "x", "model": SEEDREAM}
    estimate = (
        await user.post("/generate/estimate", json={"kind": "image", "model": SEEDREAM})
    ).json()["cost_usd"]
    assert (await user.put("/users/me", json={"confirm_above_usd": estimate})).json()[
        "confirm_above_usd"
    ] == estimate
    assert (await user.post("/generate/image", json=body)).status_code == 200, "not above it"
    spent = await money(user)
    await user.put("/users/me", json={"confirm_above_usd": "0.000001"})
    key = {"Idempotency-Key": "confirm-1"}
    asked = await user.post("/generate/image", json=body, headers=key)
    seen = (asked.status_code, asked.json()["code"], asked.json()["cost_usd"])
    assert seen == (409, "confirm_cost", estimate)
    assert "draft_id" not in asked.json(), "a program sends its request once more"
    assert await money(user) == spent
    answer = await user.post("/generate/image", json={**body, "confirm": True}, headers=key)
    assert answer.status_code == 200
    await user.put("/users/me", json={"display_name": "Ana"})
    assert (await user.post("/generate/image", json=body)).status_code == 409, (
        "another change leaves it"
    )
    assert (await user.put("/users/me", json={"confirm_above_usd": None})).json()[
        "confirm_above_usd"
    ] is None
    assert (await user.post("/generate/image", json=body)).status_code == 200


async def test_a_chat_confirms_by_the_drafts_id_once_and_only_its_owner_does(
    user: httpx.AsyncClient, api: Api
) -> None:
    chat, stranger = await api.acting(user), await api.user("eve")
    await user.put("/users/me", json={"confirm_above_usd": "0"})
    address = {"platform": "telegram", "chat_id": "77", "message_id": "5", "private": True}
    body, key = (
        {"prompt": "a fox", "model": SEEDREAM, "address": address},
        {"Idempotency-Key": "update-1"},
    )
    first = (await chat.post("/generate/image", json=body, headers=key)).json()
    assert (first["code"], first["cost_usd"] > "0.000000") == ("confirm_cost", True)
    answer = await stranger.post(f"/generations/drafts/{first['draft_id']}/confirm")
    assert answer.status_code == 404
    repeated = (await chat.post("/generate/image", json=body, headers=key)).json()["draft_id"]
    confirmed = await chat.post(f"/generations/drafts/{first['draft_id']}/confirm")
    assert (confirmed.status_code, confirmed.json()["source"]) == (202, "telegram"), confirmed.text
    made = confirmed.json()["id"]
    for draft in (first["draft_id"], repeated):
        assert (await chat.post(f"/generations/drafts/{draft}/confirm")).json()["id"] == made, (
            "pressed twice, or on the repeated question"
        )
    assert (await chat.post("/generate/image", json=body, headers=key)).json()["id"] == made
    again = (
        await chat.post(
            f"/generations/{made}/again", json={"changes": {"prompt": "a wolf"}, "address": address}
        )
    ).json()
    other = (await chat.post(f"/generations/drafts/{again['draft_id']}/confirm")).json()
    assert (other["prompt"], other["parent_id"], other["id"] != made) == ("a wolf", made, True)
    await api.services.db.execute(
        "UPDATE generation_drafts SET created_at = created_at - INTERVAL '25 hours'"
    )
    assert (await chat.post(f"/generations/drafts/{again['draft_id']}/confirm")).status_code == 404
