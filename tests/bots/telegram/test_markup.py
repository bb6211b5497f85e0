"""Markdown of models as Telegram's marks, and names that must not ring."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from telegram import MessageEntity

from bots.core.splitting import utf16_units
from bots.core.types import Reply
from bots.telegram.chat import TelegramChat
from bots.telegram.markup import Marked, clean, cut, ending, from_markdown, marked, silent
from tests.bots.telegram.conftest import CHAT, GROUP, place
from tests.fakes.telegram import FakeTelegram
from tests.fakes.telegram_checks import check_entities


def marks(shown: Marked) -> list[tuple[str, str]]:
    """Kind of each mark and the text that it covers."""
    encoded = shown.text.encode("utf-16-le")
    return [
        (one.type, encoded[2 * one.offset : 2 * (one.offset + one.length)].decode("utf-16-le"))
        for one in shown.entities
    ]


@pytest.mark.parametrize(
    ("markdown", "text", "found"),
    [
        (
            "**bold** and _it_ 🦊 `x`",
            "bold and it 🦊 x",
            [("bold", "bold"), ("italic", "it"), ("code", "x")],
        ),
        ("# Foxes\n\n- one\n- two", "Foxes\n\n• one\n• two", [("bold", "Foxes")]),
        ("```python\nprint('🦊')\n```", "print('🦊')", [("pre", "print('🦊')")]),
        (
            "```python\nopen to the end **x**",
            "open to the end **x**",
            [("pre", "open to the end **x**")],
        ),
        ("unbalanced **bold and _it and `code", "unbalanced **bold and _it and `code", []),
        ("std::vector<int> and <b>x</b>", "std::vector<int> and <b>x</b>", []),
        ("<div>\nkept\n</div>", "<div>\nkept\n</div>", []),
        ("<!-- nothing -->", "<!-- nothing -->", []),
        ("שלום **עולם**", "שלום עולם", [("bold", "עולם")]),
        ("[fox](https://example.org/f)", "fox", [("text_link", "fox")]),
        (
            "[run](javascript:alert(1)) [him](tg://user?id=5) [ask](https://t.me/fake_bot?ask=a:b)",
            "run him ask",
            [],
        ),
        ("a * b * c, snake_case_name", "a * b * c, snake_case_name", []),
    ],
)
def test_markdown(markdown: str, text: str, found: list[tuple[str, str]]) -> None:
    shown = from_markdown(markdown)
    assert (shown.text, marks(shown)) == (text, found)


def test_names_do_not_ring_but_code_and_the_own_name_stay() -> None:
    shown = from_markdown("@alice_b **@bobby_x** `@property` mail a@bobby.x @fake_bot 🦊 **end**")
    quiet = silent(shown, "fake_bot")
    assert quiet.text == "@\u2060alice_b @\u2060bobby_x @property mail a@bobby.x @fake_bot 🦊 end"
    assert marks(quiet) == [("bold", "@\u2060bobby_x"), ("code", "@property"), ("bold", "end")]


def test_what_can_not_be_sent_is_left_out() -> None:
    assert clean("a\ud83eb\0c") == "a?bc"


def test_marks_reach_over_a_cut() -> None:
    parts = list(cut(Marked("one two\n\nthree 🦊 four", (MessageEntity("bold", 4, 13),)), 12))
    assert [part.text for part in parts] == ["one two", "three 🦊", "four"]
    assert [marks(part) for part in parts] == [[("bold", "two")], [("bold", "three 🦊")], []]


def test_code_is_kept_whole_where_it_can_be_and_stays_code_where_not() -> None:
    short = "\n".join(f"# line {number}" for number in range(20))
    parts = list(
        cut(from_markdown(f"{'Words. ' * 20}\n\n```py\n{short}\n```\n\nAnd more words."), 240)
    )
    assert [marks(part) for part in parts] == [[], [("pre", short)]]
    long = "\n".join(f"# line {number}" for number in range(60))
    parts = list(cut(from_markdown(f"```py\n{long}\n```"), 240))
    assert len(parts) == 3
    assert all(marks(part) == [("pre", part.text)] for part in parts)
    assert "\n".join(part.text for part in parts) == long


def test_the_end_of_a_long_text_keeps_its_marks() -> None:
    text = "".join(f"line {number} **bold {number}**\n\n" for number in range(400))
    end = ending(from_markdown(text), 1000)
    assert end.text.startswith("…\nline ")
    assert end.text.endswith("bold 399")
    assert utf16_units(end.text) <= 1000
    assert marks(end)[-1] == ("bold", "bold 399")
    assert ending(Marked("short"), 1000) == Marked("short")


@given(
    st.text(alphabet="ab🦊*_`#<>[]()|~@\n\r\t -1.!\\\ud800שּ$", max_size=300),
    st.booleans(),
    st.integers(5, 60),
)
def test_telegram_takes_whatever_comes_out(text: str, markdown: bool, limit: int) -> None:
    whole = marked(text, markdown=markdown, own_name="fake_bot")
    assert utf16_units(ending(whole, 100).text) <= 100
    for part in cut(whole, limit):
        assert part.text.strip()
        assert utf16_units(part.text) <= limit
        check_entities([one.to_dict() for one in part.entities], part.text)


async def test_a_models_text_is_shown_in_marks(chat: TelegramChat, fake: FakeTelegram) -> None:
    await chat.show(place(), Reply("**Foxes** are `red`", markdown=True))
    await chat.show(place(), Reply("**Foxes** are `red`"))
    shown, plain = fake.scene().by_bot(CHAT)
    assert (shown.text, [one["type"] for one in shown.entities]) == (
        "Foxes are red",
        ["bold", "code"],
    )
    assert (plain.text, plain.entities) == ("**Foxes** are `red`", [])


async def test_marks_that_telegram_refuses_are_left_out(
    chat: TelegramChat, fake: FakeTelegram
) -> None:
    fake.fault(
        "sendMessage",
        "status",
        status=400,
        description="Bad Request: can't parse entities: too clever",
    )
    shown = await chat.show(place(), Reply("**Foxes**", markdown=True))
    fake.fault(
        "editMessageText", "status", status=400, description="Bad Request: ENTITIES_TOO_LONG"
    )
    await chat.show(place(), Reply("**Foxes** run", markdown=True), shown)
    (message,) = fake.scene().by_bot(CHAT)
    assert (message.text, message.entities) == ("Foxes run", [])


async def test_only_the_marks_of_a_text_differ(chat: TelegramChat, fake: FakeTelegram) -> None:
    shown = await chat.show(place(), Reply("Foxes", markdown=True))
    await chat.show(place(), Reply("**Foxes**", markdown=True), shown)
    (message,) = fake.scene().by_bot(CHAT)
    assert [one["type"] for one in message.entities] == ["bold"]


async def test_names_ring_in_no_group(chat: TelegramChat, fake: FakeTelegram) -> None:
    for to in (place(GROUP), place()):
        await chat.show(to, Reply("thanks to @somebody"))
    assert [one.text for one in fake.scene().by_bot(GROUP)] == ["thanks to @\u2060somebody"]
    assert [one.text for one in fake.scene().by_bot(CHAT)] == ["thanks to @somebody"]


@pytest.mark.parametrize(
    "text",
    ["\ud83e", "x" * 4097, "שלום " * 1000, "**_`x" * 700, "🦊" * 2049, "@everyone " * 500],
    ids=str.__len__,
)
@pytest.mark.parametrize("markdown", [True, False])
async def test_odd_texts_arrive(
    chat: TelegramChat, fake: FakeTelegram, text: str, markdown: bool
) -> None:
    await chat.show(place(), Reply(text, markdown=markdown))
    shown = "".join("".join(one.text.split()) for one in fake.scene().by_bot(CHAT))
    marks_left_out = str.maketrans("", "", "*_`")
    assert (
        shown.translate(marks_left_out)
        == "".join(text.replace("\ud83e", "?").split()).translate(marks_left_out)
        != ""
    )
