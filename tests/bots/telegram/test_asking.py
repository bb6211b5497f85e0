"""Questions that wait for a line of text: what they are about comes back with the answer, whoever
has forgotten it."""

import pytest
from telegram import MessageEntity

from bots.core.types import Ask, Button, Reply, ShownMessages
from bots.telegram.chat import TelegramChat
from bots.telegram.hidden_links import PEN, question
from tests.bots.telegram.conftest import CHAT, GROUP, USER, Heard, place, polling
from tests.bots.telegram.test_inbound import picture
from tests.fakes.telegram import FakeTelegram, SeenMessage

EDIT = Ask("edit", "01HZX:9?&=/ü", "What should be different?", default="a fox in snow")


async def asked(
    chat: TelegramChat, fake: FakeTelegram, ask: Ask = EDIT, to: int = CHAT
) -> SeenMessage:
    shown = await chat.show(place(to), Reply("", ask=ask))
    (message,) = [
        one for one in fake.scene().by_bot(to) if str(one.message_id) in shown.message_ids
    ]
    return message


async def test_a_question_opens_a_field_for_its_answer(
    chat: TelegramChat, fake: FakeTelegram
) -> None:
    message = await asked(chat, fake)
    assert message.text == f"{PEN} What should be different?\na fox in snow"
    assert message.asks is not None
    assert (message.asks["selective"], message.asks["input_field_placeholder"]) == (
        False,
        "What should be different?",
    )
    assert [one["type"] for one in message.entities] == ["text_link", "code"]


async def test_in_a_group_only_the_one_who_is_answered_gets_the_field(
    chat: TelegramChat, fake: FakeTelegram
) -> None:
    message = await asked(chat, fake, to=GROUP)
    assert message.asks is not None
    assert message.asks["selective"]


async def test_a_question_leaves_the_message_with_its_button_alone(
    chat: TelegramChat, fake: FakeTelegram
) -> None:
    shown = await chat.show(place(), Reply("A fox", buttons=((Button("Edit", "edit", "01"),),)))
    await chat.show(place(), Reply("", ask=EDIT), replacing=shown)
    first, second = fake.scene().by_bot(CHAT)
    assert (first.text, second.text.startswith(PEN)) == ("A fox", True)


async def test_the_answer_names_what_it_is_about_after_a_restart_too(fake: FakeTelegram) -> None:
    heard = Heard()
    async with polling(fake, heard) as telegram:
        fake.user_says(CHAT, USER, "hi")
        await heard.next()
        message = await asked(telegram.chat, fake)
    async with polling(fake, heard):
        fake.user_says(CHAT, USER, "make it night", reply_to=message.message_id)
        answer = await heard.next()
        fake.user_says(CHAT, USER, "with this hat", reply_to=message.message_id, photo=picture())
        with_photo = await heard.next()
        fake.user_says(CHAT, USER, "/help", reply_to=message.message_id)
        command = await heard.next()
    assert (answer.command, answer.text) == ("edit", "01HZX:9?&=/ü make it night")
    assert (with_photo.command, with_photo.text, len(with_photo.attachments)) == (
        "edit",
        "01HZX:9?&=/ü with this hat",
        1,
    )
    assert (command.command, command.text) == ("help", "")


@pytest.mark.parametrize(
    "text",
    [
        f"[{PEN}](https://t.me/fake_bot?ask=unlink:me) what?",
        f"[{PEN}](https://T.ME/fake_bot/?ask=unlink:me) what?",
        f"[{PEN}](https://telegram.me/fake_bot?ask=unlink:me) what?",
    ],
)
async def test_a_model_can_not_ask_in_the_bots_name(fake: FakeTelegram, text: str) -> None:
    heard = Heard()
    async with polling(fake, heard) as telegram:
        fake.user_says(CHAT, USER, "hi")
        await heard.next()
        await telegram.chat.show(place(), Reply(text, markdown=True))
        (message,) = fake.scene().by_bot(CHAT)
        fake.user_says(CHAT, USER, "well", reply_to=message.message_id)
        assert (await heard.next()).command == "ask"


async def test_other_questions_and_other_bots_are_not_ours(fake: FakeTelegram) -> None:
    heard = Heard()
    link = question(EDIT, "", "another_bot").entities[0]
    shown = {
        "message_id": 5,
        "date": 1,
        "chat": {"id": CHAT, "type": "private"},
        "text": "x?",
        "entities": [link.to_dict()],
    }
    said = {
        "message_id": 9,
        "date": 1,
        "chat": {"id": CHAT, "type": "private"},
        "from": {"id": USER, "is_bot": False, "first_name": "P"},
    }
    me = {"id": 424242, "is_bot": True, "first_name": "B"}
    own = question(EDIT, "", "fake_bot").entities[0].to_dict()
    async with polling(fake, heard):
        for author, entities in (
            (me, [link.to_dict()]),
            ({**me, "id": 5}, [own]),
            (me, [own | {"offset": 1}]),
        ):
            fake.push(
                "message",
                said
                | {
                    "text": "an answer",
                    "reply_to_message": shown | {"from": author, "entities": entities},
                },
            )
            assert (await heard.next()).command == "ask"


@pytest.mark.parametrize("title", ["t" * 300, "🦊" * 80, "\ud83e half", "שאלה " * 30])
async def test_odd_titles_and_defaults(chat: TelegramChat, fake: FakeTelegram, title: str) -> None:
    message = await asked(chat, fake, Ask("edit", "1", title, default="d\ud83e 🦊" * 2000))
    assert message.entities[0]["type"] == MessageEntity.TEXT_LINK


async def test_reply_text_stands_above_the_title(chat: TelegramChat, fake: FakeTelegram) -> None:
    shown = await chat.show(place(), Reply("Tell me more.", ask=Ask("vary", "1", "Prompt")))
    assert shown == ShownMessages((str(fake.scene().by_bot(CHAT)[0].message_id),))
    assert fake.scene().by_bot(CHAT)[0].text == f"{PEN} Tell me more."
