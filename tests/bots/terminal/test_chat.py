import asyncio
import io
from pathlib import Path

from rich.console import Console

from bots.core.texts import WRITING
from bots.core.types import Address, Ask, Button, Reply, ReplyFile, ShownMessages
from bots.terminal.chat import TerminalChat, printable

HERE = Address("terminal", "al")
CANCEL = Button("Cancel", "cancel", "k7m2pqx", "danger")


def make_chat(folder: Path) -> tuple[TerminalChat, io.StringIO]:
    screen = io.StringIO()
    return TerminalChat(
        Console(file=screen, width=80, highlight=False, markup=False, emoji=False), folder
    ), screen


async def test_a_streamed_answer_grows_on_one_line(tmp_path: Path) -> None:
    chat, screen = make_chat(tmp_path)
    shown = await chat.show(HERE, Reply("Hello" + WRITING, preview=True))
    again = await chat.show(HERE, Reply("Hello there" + WRITING, preview=True), shown)
    await chat.show(HERE, Reply("Hello there!"), again)
    assert again == shown
    assert screen.getvalue() == "Hello there!\n"


async def test_a_push_waits_for_the_end_of_the_answer_that_is_being_written(tmp_path: Path) -> None:
    chat, screen = make_chat(tmp_path)
    shown = await chat.show(HERE, Reply("Hello", preview=True))
    push = asyncio.create_task(chat.show(HERE, Reply("A push")))
    await asyncio.sleep(0)
    await chat.show(HERE, Reply("Hello there"), shown)
    await push
    assert screen.getvalue() == "Hello there\nA push\n"


async def test_a_push_does_not_wait_for_an_answer_that_was_given_up(tmp_path: Path) -> None:
    chat, screen = make_chat(tmp_path)
    await chat.show(HERE, Reply("Hello", preview=True))
    push = asyncio.create_task(chat.show(HERE, Reply("A push")))
    await asyncio.sleep(0)
    chat.end_line()
    await push
    assert screen.getvalue() == "Hello\nA push\n"


async def test_an_edit_that_is_no_continuation_is_shown_whole(tmp_path: Path) -> None:
    chat, screen = make_chat(tmp_path)
    shown = await chat.show(HERE, Reply("Making it"))
    await chat.show(HERE, Reply("Done"), shown)
    assert screen.getvalue() == "Making it\nDone\n"


async def test_long_lines_are_not_broken_and_markup_is_text(tmp_path: Path) -> None:
    chat, screen = make_chat(tmp_path)
    await chat.show(HERE, Reply("[bold]x[/bold] " + "word " * 40))
    assert screen.getvalue() == "[bold]x[/bold] " + "word " * 40 + "\n"


def make_screen(folder: Path) -> tuple[TerminalChat, io.StringIO]:
    """As it is for a person."""
    screen = io.StringIO()
    console = Console(
        file=screen,
        width=60,
        height=20,
        force_terminal=True,
        color_system="standard",
        highlight=False,
        markup=False,
    )
    return TerminalChat(console, folder), screen


async def test_markdown_is_shown_as_it_is_meant(tmp_path: Path) -> None:
    chat, screen = make_screen(tmp_path)
    shown = await chat.show(HERE, Reply("It is **bo" + WRITING, preview=True, markdown=True))
    again = await chat.show(
        HERE, Reply("It is **bold**\n\n- one" + WRITING, preview=True, markdown=True), shown
    )
    before = len(screen.getvalue())
    await chat.show(HERE, Reply("It is **bold**\n\n- one\n- two", markdown=True), again)
    last = screen.getvalue()[before:]
    assert "\x1b[1mbold\x1b[0m" in last
    assert "**" not in last
    assert " • two" in last.replace("\x1b[1;33m", "").replace("\x1b[0m", "")
    assert chat.idle.is_set()


async def test_a_long_answer_shows_its_end_while_it_grows(tmp_path: Path) -> None:
    chat, screen = make_screen(tmp_path)
    text = "\n\n".join(f"line {number}" for number in range(100))
    await chat.show(HERE, Reply(text + WRITING, preview=True, markdown=True))
    assert "line 99" in screen.getvalue()
    assert "line 50\n" not in screen.getvalue()
    chat.end_line()
    assert "line 50" in screen.getvalue()


async def test_a_text_that_is_asked_for_is_the_next_line(tmp_path: Path) -> None:
    chat, screen = make_chat(tmp_path)
    await chat.show(
        HERE, Reply("What should happen?", ask=Ask("animate", "#k7m2pqx", "What?", "a fox"))
    )
    assert "an empty one takes: a fox" in screen.getvalue()
    taken = chat.take_ask()
    assert taken is not None
    assert taken.action == "animate"
    assert chat.take_ask() is None


async def test_a_message_that_is_taken_back_is_said_so(tmp_path: Path) -> None:
    chat, screen = make_chat(tmp_path)
    shown = await chat.show(HERE, Reply("a fox", buttons=((CANCEL,),)))
    await chat.show(HERE, Reply("", gone=True), shown)
    assert screen.getvalue().endswith("(That message is taken back.)\n")
    assert chat.choices.get(1) is None


async def test_buttons_have_numbers_until_their_message_changes(tmp_path: Path) -> None:
    chat, screen = make_chat(tmp_path)
    shown = await chat.show(HERE, Reply("Making it", buttons=((CANCEL,),), card="g1"))
    assert "[1] Cancel" in screen.getvalue()
    choice = chat.choices.get(1)
    assert choice is not None
    assert (choice.button, choice.message_id) == (CANCEL, shown.message_ids[0])
    await chat.show(HERE, Reply("Done"), shown)
    assert chat.choices.get(1) is None


async def test_a_card_is_waited_for_until_it_is_closed(tmp_path: Path) -> None:
    chat, _ = make_chat(tmp_path)
    shown = await chat.show(HERE, Reply("Making it", card="g1"))
    assert list(chat.waiting.values()) == ["g1"]
    await chat.show(HERE, Reply("Done"), shown)
    assert chat.waiting == {}
    assert chat.settled.is_set()


async def test_a_card_of_an_earlier_session_closes_quietly(tmp_path: Path) -> None:
    chat, screen = make_chat(tmp_path)
    await chat.show(HERE, Reply("Done"), ShownMessages(("old-1",)))
    assert screen.getvalue() == "Done\n"


async def test_files_are_saved_inside_the_folder_and_their_path_is_shown(tmp_path: Path) -> None:
    chat, screen = make_chat(tmp_path / "terminal")
    await chat.show(
        HERE, Reply("a fox", files=(ReplyFile("photo", "../k7.png", "image/png", b"png"),))
    )
    saved = tmp_path / "terminal" / "k7.png"
    assert saved.read_bytes() == b"png"
    assert str(saved) in screen.getvalue()


def test_a_models_words_do_not_steer_the_terminal() -> None:
    assert printable("a\x1b[2Jb\x07\r\x9bc\n\td é 😀") == "a[2Jbc\n\td é 😀"
