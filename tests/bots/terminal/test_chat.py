import asyncio
import io
from pathlib import Path

from rich.console import Console

from bots.core.texts import WRITING
from bots.core.types import Address, Button, File, Reply, Shown
from bots.terminal.chat import TerminalChat, printable

HERE = Address("terminal", "al")
CANCEL = Button("Cancel", "cancel", "k7m2pqx", "danger")


def make_chat(folder: Path) -> tuple[TerminalChat, io.StringIO]:
    screen = io.StringIO()
    return TerminalChat(Console(file=screen, width=80, highlight=False, markup=False, emoji=False), folder), screen


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


async def test_buttons_have_numbers_until_their_message_changes(tmp_path: Path) -> None:
    chat, screen = make_chat(tmp_path)
    shown = await chat.show(HERE, Reply("Making it", buttons=((CANCEL,),), card="g1"))
    assert "[1] Cancel" in screen.getvalue()
    choice = chat.press(1)
    assert choice is not None
    assert (choice.button, choice.message_id) == (CANCEL, shown.message_ids[0])
    await chat.show(HERE, Reply("Done"), shown)
    assert chat.press(1) is None


async def test_a_card_is_waited_for_until_it_is_closed(tmp_path: Path) -> None:
    chat, _ = make_chat(tmp_path)
    shown = await chat.show(HERE, Reply("Making it", card="g1"))
    assert list(chat.waiting.values()) == ["g1"]
    await chat.show(HERE, Reply("Done"), shown)
    assert chat.waiting == {}
    assert chat.settled.is_set()


async def test_a_card_of_an_earlier_session_closes_quietly(tmp_path: Path) -> None:
    chat, screen = make_chat(tmp_path)
    await chat.show(HERE, Reply("Done"), Shown(("old-1",)))
    assert screen.getvalue() == "Done\n"


async def test_files_are_saved_inside_the_folder_and_their_path_is_shown(tmp_path: Path) -> None:
    chat, screen = make_chat(tmp_path / "terminal")
    await chat.show(HERE, Reply("a fox", files=(File("photo", "../k7.png", "image/png", b"png"),)))
    saved = tmp_path / "terminal" / "k7.png"
    assert saved.read_bytes() == b"png"
    assert str(saved) in screen.getvalue()


def test_a_models_words_do_not_steer_the_terminal() -> None:
    assert printable("a\x1b[2Jb\x07\r\x9bc\n\td é 😀") == "a[2Jbc\n\td é 😀"
