"""`docs/reference/` says what the code has, and explains all of it."""

from api.secrets import Secrets
from bots.core.commands import ACTIONS, COMMANDS
from tests.reference.commands import BUTTONS, INSIDE, SHOWS
from tests.reference.pages import FOLDER, pages

BY_HAND = {"README.md"}


def test_no_page_is_stale() -> None:
    written = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.iterdir()}
    stale = [name for name, text in pages().items() if written.get(name) != text]
    assert stale == [], "python -m tests.reference"


def test_no_page_is_left_over() -> None:
    assert {path.name for path in FOLDER.iterdir()} - BY_HAND == set(pages())


def test_every_command_and_button_is_explained() -> None:
    assert set(SHOWS) == {one.name for one in COMMANDS}
    buttons = {one.name for one in ACTIONS} - INSIDE
    assert buttons <= set(BUTTONS)
    assert set(BUTTONS) - buttons <= {one.name for one in COMMANDS}


def test_every_secret_is_explained() -> None:
    guide = (FOLDER.parent / "operating" / "secrets.md").read_text(encoding="utf-8")
    assert [name for name in Secrets.model_fields if f"| `{name}`" not in guide] == []
