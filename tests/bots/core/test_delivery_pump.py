"""The pump: nothing is lost, nothing needlessly doubled, nobody waits for a slow chat."""

import asyncio
import time
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from api.deliveries import service
from api.generations.schemas import MediaOut
from api.media import smaller_copies
from api.secrets import ensure_secrets
from bots.core.delivery_pump import AT_ONCE, pump
from bots.core.rendering import kind_of, render
from bots.core.types import Address, Limits, Reply, SendFailed
from client import calls
from client.bot import BotApi
from client.errors import ApiError
from client.schemas.deliveries import GenerationCompleted
from tests.bots.core.recording_chat import (
    LIMITS,
    PLATFORM,
    PUBLIC_URL,
    Place,
    Stage,
    pumping,
    served,
    trouble_once,
)
from tests.bots.core.samples import delivery, generation, media

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def tell(place: Place, chat: str, *names: str) -> None:
    """Puts notices into the outbox, the account's name telling them apart."""
    services = place.api.services
    for name in names:
        async with services.db.transaction() as sql:
            await services.outbox.notify(
                sql,
                platform=PLATFORM,
                chat_id=chat,
                code="linked",
                facts={"account_hint": f"<{name}>"},
            )
    services.outbox.ring(PLATFORM)


async def rows(place: Place) -> list[tuple[str, int, bool]]:
    found = await place.api.services.db.fetch(
        "SELECT state, attempt, doubts FROM deliveries ORDER BY id"
    )
    return [(str(row["state"]), int(str(row["attempt"])), bool(row["doubts"])) for row in found]


async def outbox(place: Place, *wanted: tuple[str, int, bool]) -> None:
    """Waits until the outbox has these rows."""
    async with asyncio.timeout(30):
        while tuple(await rows(place)) != wanted:  # noqa: ASYNC110  (rows in a database ring no bell)
            await asyncio.sleep(0.02)


async def settled(place: Place, *states: str) -> None:
    """Waits until the outbox has these states, in order."""
    async with asyncio.timeout(30):
        while tuple(row[0] for row in await rows(place)) != states:  # noqa: ASYNC110  (rows in a database ring no bell)
            await asyncio.sleep(0.02)


def order(place: Place) -> list[str]:
    return [act.reply.text.split("<")[1].split(">")[0] for act in place.stage.acts]


async def test_each_chat_has_its_order_and_what_is_shown_is_done(place: Place) -> None:
    await tell(place, "1", "a", "b", "c")
    async with pumping(place.stage, place.bot):
        await settled(place, "done", "done", "done")
    assert order(place) == ["a", "b", "c"]


async def test_a_slow_chat_holds_up_nobody_else(place: Place) -> None:
    gate = asyncio.Event()

    async def slow(to: Address, _reply: Reply) -> None:
        if to.chat_id == "slow":
            await gate.wait()

    place.stage.trouble = slow
    await tell(place, "slow", *"012345")
    await tell(place, "quick", "q")
    async with pumping(place.stage, place.bot):
        await place.stage.seen("<q>")
        assert order(place) == ["q"]
        gate.set()
        await place.stage.seen("<4>")
    assert order(place) == ["q", "0", "1", "2", "3", "4"]


async def test_a_delivery_that_another_bot_has_by_now_is_not_sent(place: Place) -> None:
    db, taken = place.api.services.db, "UPDATE deliveries SET lease = 'of another bot'"

    class Slow(Stage):
        """Loses the lease before anything is sent."""

        async def limits_for(self, to: Address) -> Limits:
            await db.execute(taken)
            looked.set()
            return LIMITS

    looked, stage = asyncio.Event(), Slow()
    await tell(place, "1", "a")
    async with pumping(stage, place.bot):
        await asyncio.wait_for(looked.wait(), 30)
    assert stage.acts == []


async def test_a_chat_that_is_gone_for_good_is_not_tried_again(place: Place) -> None:
    place.stage.trouble = trouble_once(SendFailed("blocked_by_user", final=True))
    await tell(place, "1", "a")
    async with pumping(place.stage, place.bot):
        await settled(place, "dead")
    assert place.stage.acts == []


async def test_a_message_that_may_have_arrived_is_marked_so(place: Place) -> None:
    place.stage.trouble = trouble_once(SendFailed("unclear", uncertain=True))
    await tell(place, "1", "a")
    async with pumping(place.stage, place.bot):
        await outbox(place, ("pending", 1, True))
    assert place.stage.acts == []


async def test_a_chat_that_asks_to_wait_keeps_its_order(place: Place) -> None:
    place.stage.trouble = trouble_once(SendFailed("flood", retry_after=0.5))
    await tell(place, "1", "a", "b")
    async with pumping(place.stage, place.bot):
        await settled(place, "done", "done")
    assert order(place) == ["a", "b"]


async def test_a_defect_in_one_chat_stops_neither_the_others_nor_its_own_next_try(
    place: Place,
) -> None:
    broken = ["x"]

    async def defect(to: Address, _reply: Reply) -> None:
        if to.chat_id == "1" and broken:
            raise RuntimeError(broken.pop())

    place.stage.trouble = defect
    await tell(place, "1", "a")
    await tell(place, "2", "b")
    async with pumping(place.stage, place.bot):
        await settled(place, "done", "done")
    assert sorted(order(place)) == ["a", "b"]


async def test_what_breaks_a_lane_takes_no_place_with_it(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failure that can't even be told to the api, in as many chats as there are places:
    everything comes once the leases are over."""
    monkeypatch.setattr(service, "LEASE", timedelta(seconds=0.5))
    broken: set[str] = set()

    async def trouble(to: Address, _reply: Reply) -> None:
        if to.chat_id not in broken and to.chat_id != "well":
            broken.add(to.chat_id)
            raise SendFailed("unclear", retry_after=-1.0)

    place.stage.trouble = trouble
    for chat in range(AT_ONCE):
        await tell(place, str(chat), "a")
    async with pumping(place.stage, place.bot):
        await place.stage.until(lambda: len(broken) == AT_ONCE)
        await tell(place, "well", "b")
        await settled(place, *["done"] * (AT_ONCE + 1))
    assert sorted(order(place)) == ["a"] * AT_ONCE + ["b"]


async def test_it_stops_at_once_in_the_middle_of_a_long_poll(place: Place) -> None:
    stop = asyncio.Event()
    running = asyncio.create_task(pump(place.stage, place.bot, stop))
    await tell(place, "1", "a")
    await settled(place, "done")
    began = time.monotonic()
    stop.set()
    await running
    assert time.monotonic() - began < 1


async def test_what_is_being_sent_at_the_stop_is_still_acknowledged(place: Place) -> None:
    reached, gate = asyncio.Event(), asyncio.Event()

    async def slow(_to: Address, _reply: Reply) -> None:
        reached.set()
        await gate.wait()

    place.stage.trouble = slow
    await tell(place, "1", "a", "b")
    stop = asyncio.Event()
    running = asyncio.create_task(pump(place.stage, place.bot, stop))
    await reached.wait()
    stop.set()
    gate.set()
    await running
    assert order(place) == ["a"]
    assert [state for state, _, _ in await rows(place)] == ["done", "pending"]


async def test_an_api_that_goes_away_between_show_and_ack_gets_the_ack_when_it_is_back(
    place: Place,
) -> None:
    key = ensure_secrets(place.api.data_dir).bot_keys[PLATFORM]
    down = asyncio.Event()

    async with BotApi(place.url, key) as bot:
        async with served(place.api.app) as port:
            pass
        second = f"http://127.0.0.1:{port}"
    del bot

    async def goes(_to: Address, _reply: Reply) -> None:
        leaving.set()
        await down.wait()

    leaving = asyncio.Event()
    place.stage.trouble = goes
    async with BotApi(second, key) as bot, pumping(place.stage, bot):
        async with served(place.api.app, port):
            await tell(place, "1", "a")
            await leaving.wait()
        down.set()
        await place.stage.seen("<a>")
        assert [state for state, _, _ in await rows(place)] == ["pending"]
        async with served(place.api.app, port):
            await settled(place, "done")
    assert order(place) == ["a"]


async def _makes_an_image(place: Place) -> None:
    await place.join()
    await place.say("/image a fox in snow")


async def test_a_file_too_large_for_the_chat_is_linked(place: Place) -> None:
    await _makes_an_image(place)
    place.stage.limits = replace(place.stage.limits, upload_bytes=100)
    async with pumping(place.stage, place.bot):
        pushed = await place.stage.seen("too large to send in this chat")
    assert pushed.reply.files == ()
    token = pushed.reply.text.partition(f"{PUBLIC_URL}/shared/")[2].split()[0]
    assert (await place.api.client.get(f"/shared/{token}")).json()["images"]


async def _made_an_image(place: Place) -> dict[str, Any]:
    """The result, which waits in the outbox."""
    await _makes_an_image(place)
    async with asyncio.timeout(30):
        while True:
            made = (await place.web.get("/generations")).json()["items"][0]
            if made["status"] == "completed":
                return dict(made)
            await asyncio.sleep(0.02)


async def test_a_file_somewhat_too_large_is_sent_as_a_smaller_copy(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await _made_an_image(place)
    most = made["images"][0]["size"] * 2 // 3
    monkeypatch.setattr(smaller_copies, "STEPS", (most,))
    place.stage.limits = replace(place.stage.limits, upload_bytes=most)
    async with pumping(place.stage, place.bot):
        pushed = await place.stage.seen("smaller copy")
    (file,) = pushed.reply.files
    assert 0 < len(file.data) <= most
    assert f"{PUBLIC_URL}/gallery/{made['id']}" in pushed.reply.text


async def test_a_result_speaks_its_owners_language_and_hides_where_the_owner_wants_it(
    place: Place,
) -> None:
    await place.web.put("/users/me", json={"language": "de"})
    await place.web.put("/users/me/preferences", json={"spoiler": True})
    await _made_an_image(place)
    await place.api.services.db.execute(
        "UPDATE deliveries SET chat_private = false WHERE event <> 'notice'"
    )
    async with pumping(place.stage, place.bot):
        pushed = await place.stage.seen("a fox in snow\n")
        await place.stage.seen("Fertig: Bild")
    assert [file.spoiler for file in pushed.reply.files] == [True]
    assert pushed.reply.buttons


async def test_a_picture_too_large_for_a_photo_is_a_document(place: Place) -> None:
    await _makes_an_image(place)
    place.stage.limits = replace(place.stage.limits, photo_bytes=100)
    async with pumping(place.stage, place.bot):
        pushed = await place.stage.seen("a fox in snow\n")
    assert [file.kind for file in pushed.reply.files] == ["document"]


@pytest.mark.parametrize(
    ("content_type", "kind"),
    [("image/webp", "photo"), ("image/gif", "document"), ("image/avif", "document")],
)
async def test_only_what_every_chat_shows_is_a_photo(content_type: str, kind: str) -> None:
    media = MediaOut(id="m", url="/media/m", content_type=content_type, size=100)
    assert kind_of(media, 100, LIMITS) == kind


async def test_files_that_a_chat_refuses_for_good_become_words(place: Place) -> None:
    await _makes_an_image(place)

    async def no_files(_to: Address, reply: Reply) -> None:
        if reply.files:
            raise SendFailed("file_refused", final=True)

    place.stage.trouble = no_files
    async with pumping(place.stage, place.bot):
        pushed = await place.stage.seen("This chat does not take the image.")
    assert PUBLIC_URL in pushed.reply.text


async def test_a_card_that_can_not_be_closed_is_no_failure(place: Place) -> None:
    await _makes_an_image(place)

    async def no_edits(_to: Address, reply: Reply) -> None:
        if reply.text.startswith("Done"):
            raise SendFailed("message_gone", final=True)

    place.stage.trouble = no_edits
    async with pumping(place.stage, place.bot):
        await place.stage.seen("a fox in snow\n")
        await settled(place, "done")


async def test_a_card_that_has_to_wait_does_not_show_the_result_again(place: Place) -> None:
    await _makes_an_image(place)
    floods = [SendFailed("flood", retry_after=0.1)]

    async def flood(_to: Address, reply: Reply) -> None:
        if reply.text.startswith("Done") and floods:
            raise floods.pop()

    place.stage.trouble = flood
    async with pumping(place.stage, place.bot):
        await place.stage.seen("Done")
        await settled(place, "done")
    assert len([act for act in place.stage.acts if act.reply.files]) == 1


async def test_media_needs_its_signature_and_respects_the_bound(place: Place) -> None:
    await _makes_an_image(place)
    delivery = (await place.bot.send(calls.claim(25, 1)))[0]
    assert delivery.event.type == "generation_completed"
    media = delivery.event.generation.images[0]
    assert len(await place.bot.download(calls.file(media.url), media.size)) == media.size
    with pytest.raises(ApiError, match="too_large"):
        await place.bot.download(calls.file(media.url), media.size - 1)
    with pytest.raises(ApiError, match="not_authenticated"):
        await place.bot.download(calls.file(media.url + "x"), media.size)


@pytest.mark.parametrize("status", [404, 410])
async def test_a_file_that_a_proxy_does_not_find_becomes_words(status: int) -> None:
    async def proxy(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b"<html>"})

    done = delivery(GenerationCompleted(generation=generation(images=[media()])))
    async with served(proxy) as port, BotApi(f"http://127.0.0.1:{port}", "key") as api:
        rendered = await render(done, api, LIMITS)
    assert rendered.reply is not None
    assert rendered.reply.files == ()
