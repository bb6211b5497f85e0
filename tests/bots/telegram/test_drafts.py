"""Answers that grow: drafts in private chats, edits elsewhere, and always the whole text in the
end."""

import asyncio

import pytest

from bots.core.types import Button, Reply, SendFailed, ShownMessages
from bots.telegram.chat import TelegramChat
from tests.bots.telegram.conftest import CHAT, GROUP, USER, Heard, place, polling
from tests.fakes.telegram import FakeTelegram

STOP = ((Button("Stop", "stop", "c7"),),)


async def grow(chat: TelegramChat, texts: list[str], asked: int) -> ShownMessages:
    """Previews, then the last text as the answer; what the core would hand on from one to the
    next."""
    shown: ShownMessages | None = None
    for text in texts[:-1]:
        shown = await chat.show(
            place(message=asked), Reply(text, preview=True, markdown=True, buttons=STOP), shown
        )
        shown = shown if shown.message_ids else None
    return await chat.show(place(message=asked), Reply(texts[-1], markdown=True), shown)


async def test_a_growing_answer_is_one_draft_and_then_one_message(
    chat: TelegramChat, fake: FakeTelegram
) -> None:
    asked = fake.user_says(CHAT, USER, "tell me")
    shown = await grow(chat, ["", "**On", "**Once** upon", "**Once** upon a time"], asked)
    scene = fake.scene()
    assert [one.text for one in scene.drafts] == ["", "**On", "Once upon"]
    assert len({one.draft_id for one in scene.drafts}) == 1
    assert [one["type"] for one in scene.drafts[-1].entities] == ["bold"]
    (message,) = scene.by_bot(CHAT)
    assert (message.text, message.reply_to, message.history) == ("Once upon a time", asked, [])
    assert shown.message_ids == (str(message.message_id),)


async def test_two_answers_at_once_have_two_drafts(chat: TelegramChat, fake: FakeTelegram) -> None:
    for text in ("one", "two"):
        asked = fake.user_says(CHAT, USER, text)
        await chat.show(place(message=asked), Reply("answer", preview=True))
    first, second = fake.scene().drafts
    assert first.draft_id != second.draft_id


async def test_a_draft_that_says_the_same_is_not_sent(
    chat: TelegramChat, fake: FakeTelegram
) -> None:
    for _ in range(3):
        await chat.show(place(), Reply("Once", preview=True))
    assert len(fake.scene().drafts) == 1


async def test_a_long_draft_shows_its_end_and_the_answer_is_whole(
    chat: TelegramChat, fake: FakeTelegram
) -> None:
    asked = fake.user_says(CHAT, USER, "tell me")
    text = "\n\n".join(f"Paragraph {number}: " + "fox " * 60 for number in range(40))
    await grow(chat, [text, text], asked)
    (draft,) = fake.scene().drafts
    assert " ".join(draft.text.split()).endswith(" ".join(text[-1200:].split()))
    assert draft.text.startswith("…")
    shown = "".join(one.text for one in fake.scene().by_bot(CHAT))
    assert "".join(shown.split()) == "".join(text.split())


async def test_the_stop_sign_stops_the_answer_to_the_message_of_its_draft(
    fake: FakeTelegram,
) -> None:
    heard = Heard()
    async with polling(fake, heard) as telegram:
        asked = fake.user_says(CHAT, CHAT, "tell me")
        await heard.next()
        await telegram.chat.show(place(message=asked), Reply("Once", preview=True, buttons=STOP))
        fake.stop_draft(CHAT)
        stopped = await heard.next()
    assert (stopped.command, stopped.text, stopped.sender.id, stopped.pressed) == (
        "stop_answer",
        "",
        str(CHAT),
        None,
    )
    assert stopped.address == place(message=asked)


async def test_the_stop_sign_of_a_draft_of_another_process_names_its_message_too(
    fake: FakeTelegram,
) -> None:
    heard = Heard()
    async with polling(fake, heard):
        chat = {"id": CHAT, "type": "private", "first_name": "P"}
        fake.user_says(CHAT, CHAT, "one")
        await heard.next()
        fake.push("stopped_message_generation", {"chat": chat, "draft_id": 99})
        fake.push("stopped_message_generation", {"nonsense": 1})
        fake.user_says(CHAT, CHAT, "two")
        stopped, said = await heard.next(), await heard.next()
    assert (stopped.command, stopped.address) == ("stop_answer", place(message=98))
    assert said.text == "two", "what can't be read is left out"


async def test_a_draft_without_buttons_can_not_be_stopped(
    chat: TelegramChat, fake: FakeTelegram
) -> None:
    await chat.show(place(), Reply("Once", preview=True))
    assert [one.can_stop for one in fake.scene().drafts] == [False]


@pytest.mark.parametrize("kind", ["flood", "status", "reset_before", "reset_after"])
async def test_previews_may_fail_the_answer_comes_once(
    chat: TelegramChat, fake: FakeTelegram, kind: str
) -> None:
    asked = fake.user_says(CHAT, USER, "tell me")
    fake.fault("sendMessageDraft", kind, retry_after=1)
    assert await chat.show(place(message=asked), Reply("Once", preview=True)) == ShownMessages(())
    assert await chat.show(place(message=asked), Reply("Once upon", preview=True)) == ShownMessages(
        ()
    )
    if kind == "flood":
        # what the core does with it: wait, then show the answer
        with pytest.raises(SendFailed) as raised:
            await chat.show(place(message=asked), Reply("Once upon a time"))
        assert raised.value.retry_after is not None
        await asyncio.sleep(raised.value.retry_after + 0.05)
    await chat.show(place(message=asked), Reply("Once upon a time"))
    scene = fake.scene()
    assert [one.text for one in scene.by_bot(CHAT)] == ["Once upon a time"]
    assert scene.ignored_floods == 0


async def test_a_bot_api_without_drafts_gets_edits(chat: TelegramChat, fake: FakeTelegram) -> None:
    fake.settings(drafts=False)
    asked = fake.user_says(CHAT, USER, "tell me")
    await grow(chat, ["Once", "Once upon", "Once upon a time"], asked)
    (message,) = fake.scene().by_bot(CHAT)
    assert (message.text, [text for text, _ in message.history]) == (
        "Once upon a time",
        ["Once", "Once upon"],
    )
    assert len(fake.scene().calls_of("sendMessageDraft")) == 1


async def test_a_draft_in_a_topic_of_a_private_chat(chat: TelegramChat, fake: FakeTelegram) -> None:
    fake.user_says(CHAT, USER, "hi", thread_id=7)
    await chat.show(place(thread="7"), Reply("Once", preview=True))
    assert [one.thread_id for one in fake.scene().drafts] == [7]


async def test_groups_get_no_drafts_and_slower_edits_the_longer_the_text(
    chat: TelegramChat, fake: FakeTelegram
) -> None:
    limits = await chat.limits_for(place(GROUP))
    assert limits.edit_seconds > (await chat.limits_for(place())).edit_seconds
    await chat.show(place(GROUP), Reply("Once", preview=True))
    assert fake.scene().drafts == []
    assert [one.text for one in fake.scene().by_bot(GROUP)] == ["Once"]
