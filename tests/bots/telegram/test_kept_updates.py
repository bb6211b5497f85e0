"""Updates that Telegram has forgotten and nobody has answered yet: a stop, a kill or a full disk
does not lose them."""

import asyncio
import io
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from structlog.testing import capture_logs

from bots.core.types import Inbound, Messenger, Reply
from bots.telegram import adapter
from bots.telegram.adapter import TelegramBot, make_bot
from bots.telegram.kept_updates import KEPT_SECONDS, KILLS_MOST, KeptUpdates
from tests.bots.telegram.conftest import CHAT, USER, Heard, polling
from tests.bots.telegram.test_webhook import listening
from tests.fakes.telegram import FakeTelegram


class Stuck(Heard):
    """Shows something and never comes to its end."""

    def __init__(self, *texts: str) -> None:
        async def answer(chat: Messenger, inbound: Inbound) -> None:
            for text in texts:
                await chat.show(inbound.address, Reply(text))
            self.stuck.set()
            await asyncio.Event().wait()

        self.stuck = asyncio.Event()
        super().__init__(answer)


async def says_done(chat: Messenger, inbound: Inbound) -> None:
    await chat.show(inbound.address, Reply(f"{inbound.text} done"))


@pytest.fixture(autouse=True)
def short_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapter, "STOP_SECONDS", 0.01)


def files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.json"))


async def test_what_was_cut_is_answered_by_the_next_start_in_the_same_message(
    fake: FakeTelegram, tmp_path: Path
) -> None:
    stuck = Stuck("one moment")
    async with polling(fake, stuck, tmp_path):
        asked = fake.user_says(CHAT, USER, "why?")
        await asyncio.wait_for(stuck.stuck.wait(), 10)
        await fake.until(lambda scene: scene.waiting_updates == [] or None)
    heard = Heard(says_done)
    async with polling(fake, heard, tmp_path):
        again = await heard.next()
        await fake.message(CHAT, "why? done")
    assert again.update_id == (await stuck.next()).update_id, "the key of what it asks for"
    (shown,) = fake.scene().by_bot(CHAT)
    assert (shown.reply_to, shown.text) == (asked, "why? done")
    assert files(tmp_path) == []
    async with polling(fake, heard, tmp_path):
        fake.user_says(CHAT, USER, "next")
        assert (await heard.next()).text == "next"


async def test_a_message_that_is_gone_meanwhile_is_said_anew(
    fake: FakeTelegram, tmp_path: Path
) -> None:
    stuck = Stuck("one moment", "and another")
    async with polling(fake, stuck, tmp_path):
        fake.user_says(CHAT, USER, "why?")
        await asyncio.wait_for(stuck.stuck.wait(), 10)
    first = fake.scene().by_bot(CHAT)[0]
    fake.delete(CHAT, first.message_id)
    async with polling(fake, Heard(says_done), tmp_path):
        await fake.message(CHAT, "why? done")


async def test_a_webhook_is_told_that_an_update_was_taken_when_it_is_kept(
    fake: FakeTelegram, unused_tcp_port: int, tmp_path: Path
) -> None:
    """And not when it is answered: Telegram brings a chat's next message only then, the one that
    stops an answer, too."""
    stuck = Stuck()
    async with listening(fake, stuck, unused_tcp_port, tmp_path):
        for text in ("one", "two"):
            fake.user_says(CHAT, USER, text)
            assert (await stuck.next()).text == text
        assert len(files(tmp_path)) == 2
    heard = Heard(says_done)
    async with listening(fake, heard, unused_tcp_port, tmp_path):
        assert {(await heard.next()).text for _ in range(2)} == {"one", "two"}
        await fake.message(CHAT, "one done")
        await fake.message(CHAT, "two done")
    assert files(tmp_path) == []


async def test_an_album_is_kept_whole(fake: FakeTelegram, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "PNG")
    stuck, heard = Stuck(), Heard()
    async with polling(fake, stuck, tmp_path):
        fake.user_says_album(CHAT, USER, [buffer.getvalue()] * 3, "/edit at night")
        first = await stuck.next()
    assert len(files(tmp_path)) == 3
    async with polling(fake, heard, tmp_path):
        again = await heard.next()
    assert (again.update_id, len(again.attachments)) == (first.update_id, 3)
    assert files(tmp_path) == []
    assert heard.inbounds.empty()


async def test_an_album_whose_answer_broke_is_done_with_all_its_messages(
    fake: FakeTelegram, tmp_path: Path
) -> None:
    """Else the next start would take the rest of it for an album of its own."""

    async def breaks(_chat: Messenger, _inbound: Inbound) -> None:
        raise ValueError("a defect")

    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "PNG")
    broken, heard = Heard(breaks), Heard()
    async with polling(fake, broken, tmp_path):
        fake.user_says_album(CHAT, USER, [buffer.getvalue()] * 3, "/edit at night")
        await broken.next()
    assert files(tmp_path) == []
    async with polling(fake, heard, tmp_path):
        fake.user_says(CHAT, USER, "next")
        assert (await heard.next()).text == "next"


async def test_what_kills_the_process_again_and_again_is_given_up(
    fake: FakeTelegram, tmp_path: Path
) -> None:
    """Stops that were asked for do not count."""
    for _ in range(KILLS_MOST + 2):
        stuck = Stuck()
        async with polling(fake, stuck, tmp_path):
            if not files(tmp_path):
                fake.user_says(CHAT, USER, "why?")
            await stuck.next()
    (path,) = files(tmp_path)
    folder = KeptUpdates(path.parent)
    for _ in range(KILLS_MOST + 1):
        assert len(await folder.left()) == 1
    with capture_logs() as logged:
        assert await folder.left() == []
    assert [one["event"] for one in logged] == ["update_given_up"]
    assert files(tmp_path) == []


async def test_a_takeover_answers_what_a_process_that_died_meanwhile_has_kept(
    fake: FakeTelegram, tmp_path: Path
) -> None:
    """It had stood by when the other one died; what it answers itself is not begun again."""
    own, other = tmp_path / "own", tmp_path / "other"
    gone: list[Path] = []
    stuck = Stuck()
    kept = KeptUpdates(own, left=lambda: gone)
    telegram = TelegramBot(make_bot(fake.token, fake.api_url), stuck, kept)
    await telegram.connect()
    await KeptUpdates(own).keep([asked(1, "mine")])
    await telegram.resume()
    assert (await stuck.next()).text == "mine"
    await KeptUpdates(other).keep([asked(1, "mine"), asked(2, "theirs")])
    await telegram.resume()
    gone.append(other)
    await telegram.resume()
    assert (await stuck.next()).text == "theirs"
    assert [path.name for path in files(tmp_path)] == ["1.json", "2.json"]
    assert not files(other)
    assert stuck.inbounds.empty()
    await telegram.drain()
    await telegram.close()


def asked(update_id: int, text: str) -> dict[str, Any]:
    return {
        "update_id": update_id,
        "message": {
            "message_id": 900 + update_id,
            "date": 1,
            "chat": {"id": CHAT, "type": "private"},
            "from": {"id": CHAT, "is_bot": False, "first_name": "P"},
            "text": text,
        },
    }


async def test_what_is_too_old_or_no_update_goes(tmp_path: Path) -> None:
    now = [1000.0]
    folder = KeptUpdates(tmp_path, lambda: now[0])
    await folder.keep([{"update_id": 2, "message": {}}])
    (tmp_path / "3.json").write_text("no json")
    (tmp_path / "4.json").write_text(json.dumps({"update": {}}))
    assert [kept.update_id for kept in await folder.left()] == [2]
    now[0] += KEPT_SECONDS + 1
    assert await folder.left() == []
    assert files(tmp_path) == []


async def test_an_update_that_can_not_be_read_now_stays(tmp_path: Path) -> None:
    """Its file is no wrong one, the disk is away."""
    disk = tmp_path / "disk"
    (tmp_path / "7.json").symlink_to(disk / "7.json")
    folder = KeptUpdates(tmp_path)
    with capture_logs() as logged:
        assert await folder.left() == []
    assert [one["event"] for one in logged] == ["update_file_not_read"]
    disk.mkdir()
    await KeptUpdates(disk).keep([{"update_id": 7}])
    assert [kept.update_id for kept in await folder.left()] == [7]


async def test_an_update_that_can_not_be_kept_is_answered_all_the_same(
    fake: FakeTelegram, tmp_path: Path
) -> None:
    (tmp_path / "telegram").write_text("in the way")
    heard = Heard(says_done)
    with capture_logs() as logged:
        async with polling(fake, heard, tmp_path / "telegram"):
            fake.user_says(CHAT, USER, "why?")
            await fake.message(CHAT, "why? done")
    assert "update_not_kept" in [one["event"] for one in logged]
