from typing import Any

import pytest

from bots.core.commands import COMMANDS, Command
from bots.core.types import Button, Reply, ReplyFile
from bots.discord.commands import changed, registered
from bots.discord.render import LIMITS, nonce, parts
from tests.fakes.discord_checks import check_commands, check_message


def test_what_discord_adds_is_no_change() -> None:
    wanted = [*registered(COMMANDS), *registered((Command("x", "", COMMANDS[0].run),))]
    theirs: list[dict[str, Any]] = [
        {**one, "id": "1", "version": "2", "nsfw": False} for one in reversed(wanted)
    ]
    for command in theirs:
        command["description_localizations"] = command.get("description_localizations") or None
        bare = [
            {name: value for name, value in option.items() if value is not False}
            for option in command.get("options", [])
        ]
        command["options"] = bare
    theirs[0] = {name: value for name, value in theirs[0].items() if value != []}
    assert not changed(theirs, wanted)


@pytest.mark.parametrize(
    "change", ["description", "choice", "option", "contexts", "missing", "more"]
)
def test_a_change_is_seen(change: str) -> None:
    wanted, theirs = registered(COMMANDS), registered(COMMANDS)
    image = next(one for one in theirs if one["name"] == "image")
    match change:
        case "description":
            image["description"] = "another"
        case "choice":
            next(one for one in image["options"] if one.get("choices"))["choices"].pop()
        case "option":
            image["options"].pop()
        case "contexts":
            image["contexts"] = [1]
        case "missing":
            theirs.remove(image)
        case _:
            theirs.append({**image, "name": "older"})
    assert changed(theirs, wanted)


def test_the_commands_keep_discords_limits() -> None:
    check_commands(registered(COMMANDS))


def test_long_labels_and_rows_keep_discords_limits() -> None:
    buttons = tuple(Button("x" * 100, "a", str(number)) for number in range(12))
    (part,) = parts(Reply("text", buttons=(buttons,)))
    check_message(part.payload, [], webhook=False)
    assert [len(row["components"]) for row in part.payload["components"]] == [5, 5, 2]


@pytest.mark.parametrize(("rows", "menus"), [(5, 0), (6, 1), (8, 1), (30, 2), (60, 3)])
def test_rows_that_do_not_fit_become_menus(rows: int, menus: int) -> None:
    buttons = tuple(
        (Button(f"x{row}.{place}", "a", f"{row}.{place}"),)
        for row in range(rows)
        for place in range(1)
    )
    (part,) = parts(Reply("text", buttons=buttons))
    check_message(part.payload, [], webhook=False)
    shown = [one for row in part.payload["components"] for one in row["components"]]
    assert sum(one["type"] == 3 for one in shown) == menus
    labels = [one["label"] for piece in shown for one in piece.get("options", [piece])]
    assert labels == [f"x{row}.0" for row in range(rows)], "none is lost"


def test_text_before_its_files_and_buttons_last() -> None:
    files = tuple(ReplyFile("photo", f"{number}.png", "image/png", b"x") for number in range(12))
    made = parts(Reply("word " * 700, files=files, buttons=((Button("Again", "again", "1"),),)))
    assert [len(one.files) for one in made] == [0, 10, 2]
    assert [bool(one.payload["components"]) for one in made] == [False, False, True]
    assert all(len(one.payload["content"]) <= LIMITS.text for one in made)
    assert made[-1].payload["content"] == ""


def test_nonces_fit_and_differ() -> None:
    reply = Reply("x", nonce="n" * 25)
    made = [nonce(reply, index) for index in range(3)]
    assert made[0] == "n" * 25
    assert len(set(made)) == 3
    assert all(len(one) <= 25 for one in made)
    assert made == [nonce(reply, index) for index in range(3)]
    assert nonce(Reply("x"), 0) != nonce(Reply("x"), 0)
