"""The command `python -m tests.reference`, which writes `docs/reference/` anew."""

from tests.reference.pages import FOLDER, pages

FOLDER.mkdir(exist_ok=True)
for name, text in pages().items():
    (FOLDER / name).write_text(text, encoding="utf-8")
    print(f"wrote {FOLDER / name}")
