import io
from pathlib import Path

import pytest
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document

from bots.core.types import Address, Ask, Button, Reply
from bots.terminal.chat import TerminalChat
from bots.terminal.inbound import TerminalUser
from bots.terminal.input_lines import CommandCompleter, piped
from tests.bots.terminal.test_chat import make_chat

AL = TerminalUser("al")


def _chat(folder: Path) -> TerminalChat:
    return make_chat(folder)[0]


def test_plain_text_is_a_question(tmp_path: Path) -> None:
    said = AL.says("why is the sky blue?", _chat(tmp_path))
    assert said is not None
    assert (said.command, said.text) == ("ask", "why is the sky blue?")
    assert said.address == Address("terminal", "al", private=True)
    assert AL.says("   ", _chat(tmp_path)) is None


def test_commands_and_update_ids(tmp_path: Path) -> None:
    chat = _chat(tmp_path)
    one, two = AL.says("/image a fox --n 2", chat), AL.says("/help", chat)
    assert one is not None
    assert two is not None
    assert (one.command, one.text) == ("image", "a fox --n 2")
    assert (two.command, two.text) == ("help", "")
    assert one.update_id != two.update_id


async def test_a_number_presses_its_button_and_is_a_question_otherwise(tmp_path: Path) -> None:
    chat = _chat(tmp_path)
    shown = await chat.show(
        AL.address, Reply("Sure?", buttons=((Button("Yes", "link_yes", "c1"),),))
    )
    for line in ("1", "/press 1"):
        said = AL.says(line, chat)
        assert said is not None
        assert (said.command, said.text, said.pressed) == ("link_yes", "c1", shown.message_ids[0])
    other = AL.says("42", chat)
    assert other is not None
    assert (other.command, other.text, other.pressed) == ("ask", "42", None)


async def test_the_line_after_a_question_is_its_answer_but_a_command_is_a_command(
    tmp_path: Path,
) -> None:
    chat = _chat(tmp_path)
    ask = Ask("edit", "#k7m2pqx", "What?", "")
    for line, command, text in (
        ("make it night", "edit", "#k7m2pqx make it night"),
        ("/help", "help", ""),
        ("why?", "ask", "why?"),
    ):
        if line != "why?":
            await chat.show(AL.address, Reply("What should be different?", ask=ask))
        said = AL.says(line, chat)
        assert said is not None
        assert (said.command, said.text) == (command, text)
    await chat.show(
        AL.address, Reply("What should happen?", ask=Ask("animate", "#k7m2pqx", "What?", "a fox"))
    )
    said = AL.says("", chat)
    assert said is not None
    assert said.text == "#k7m2pqx a fox"


def test_the_systems_language_is_the_persons(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("LC_ALL", "LC_MESSAGES"):
        monkeypatch.delenv(name, raising=False)
    for said, spoken in (("de_DE.UTF-8", "de"), ("C.UTF-8", "en"), ("", "en")):
        monkeypatch.setenv("LANG", said)
        inbound = AL.says("hello", _chat(tmp_path))
        assert inbound is not None
        assert inbound.sender.language == spoken
        assert inbound.plain


async def test_files_that_exist_are_attached(tmp_path: Path) -> None:
    image = tmp_path / "my cat.png"
    image.write_bytes(b"png")
    said = AL.says(f'/video waves @"{image}" @nobody at night', _chat(tmp_path))
    assert said is not None
    (attached,) = said.attachments
    assert (attached.name, attached.content_type, attached.size) == ("my cat.png", "image/png", 3)
    assert await attached.read() == b"png"
    assert " ".join(said.text.split()) == "waves @nobody at night"


def _completions(text: str) -> list[str]:
    return [
        found.text for found in CommandCompleter().get_completions(Document(text), CompleteEvent())
    ]


def test_commands_options_and_values_complete() -> None:
    assert _completions("/im") == ["/image"]
    assert "--ar" in _completions("/image a fox --")
    assert _completions("/image a fox --du") == []
    assert _completions("/video a fox --du") == ["--duration"]
    assert _completions("/image a fox --ar 16") == ["16:9"]
    assert _completions("a fox --") == []


def test_files_complete(tmp_path: Path) -> None:
    (tmp_path / "my-cat.png").write_bytes(b"png")
    assert _completions(f"/edit make it night @{tmp_path}/my") == ["-cat.png"]


async def test_a_pipe_gives_its_lines_and_ends() -> None:
    assert [line async for line in piped(io.StringIO("one\ntwo\n"))] == ["one\n", "two\n"]
