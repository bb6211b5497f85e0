import re

import pytest

from bots.core.types import Ask, Reply, ReplyFile
from bots.discord.markdown import clean, converted, markdown_parts, plain, plain_parts
from bots.discord.render import form, parts
from tests.fakes.discord_checks import check_form, check_message

CASES = {
    "headings": ("# One\n### Three\n##### Five **deep** #", "# One\n### Three\n**Five deep**"),
    "a line under a heading": ("Title\n=====\nSub\n---\ntext", "# Title\n## Sub\ntext"),
    "rules": ("above\n\n---\n\n* * *", "above\n\n────────────\n\n────────────"),
    "tasks and lists": (
        "- [ ] open\n* [x] done\n+ plus\n1) one",
        "- ☐ open\n- ☑ done\n- plus\n1. one",
    ),
    "pictures and titled links": (
        '![a fox](https://x.example/f.png) [b](https://b.example "B")',
        "[a fox](https://x.example/f.png) [b](https://b.example)",
    ),
    "bold by underscores": (
        "__bold__ and __init__ in `__code__`",
        "**bold** and **init** in `__code__`",
    ),
    "bars are no spoilers": ("a || b, `a || b`", "a \\|\\| b, `a || b`"),
    "a nested quote": (">> deep\n> flat", "> deep\n> flat"),
    "line breaks": ("one<br>two", "one\ntwo"),
    "other fences": ("~~~python\nx = 1\n~~~", "```python\nx = 1\n```"),
    "a fence in a fence": (
        "````md\n```\ninner\n```\n````",
        "```md\n``\u200b`\ninner\n``\u200b`\n```",
    ),
    "code that does not end": ("```py\nx = '| a | b |'", "```py\nx = '| a | b |'\n```"),
    "nothing in code changes": ("```\n# no\n| a |\n---\n```", "```\n# no\n| a |\n---\n```"),
    "a small table": (
        "| a | **b** |\n|---|:-:|\n| 1 | two |\n",
        "```\na  b\n─  ───\n1  two\n```\n",
    ),
    "a pipe in a cell": (
        "| a | b |\n|---|---|\n| x \\| y | |",
        "```\na      b\n─────  ─\nx | y\n```",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_markdown_becomes_discords_own(name: str) -> None:
    given, wanted = CASES[name]
    assert converted(given) == wanted


def test_a_wide_table_becomes_lists() -> None:
    wide = (
        "| Name | Price | What it is good for |\n|---|---|---|\n| **Flux** | $0.04 | "
        + "pictures " * 8
        + "|\n| Veo | | films |"
    )
    assert converted(wide).splitlines() == [
        "- **Flux**",
        "  - Price: $0.04",
        f"  - What it is good for: {'pictures ' * 8}".rstrip(),
        "- **Veo**",
        "  - What it is good for: films",
    ]


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("snow_fox *and* `ice`", "snow_fox \\*and\\* \\`ice\\`"),
        ("_all_ ~~gone~~ ||hidden||", "\\_all\\_ \\~\\~gone\\~\\~ \\|\\|hidden\\|\\|"),
        ("https://x.example/a_b_*c*", "https://x.example/a_b_*c*"),
        ("[here](https://evil.example)", "\\[here](https://evil.example)"),
        ("<@123> <#5> <t:1> a < b", "\\<@123> \\<#5> \\<t:1> a < b"),
        ("# big\n> said\n-# small\n#tag", "\\# big\n\\> said\n\\-# small\n#tag"),
        ("a\\*b c:\\dir", "a\\\\\\*b c:\\dir"),
        ("עברית @everyone", "עברית @everyone"),
    ],
)
def test_plain_text_stays_plain(given: str, shown: str) -> None:
    assert plain(given) == shown


def test_plain_text_is_counted_as_it_is_sent() -> None:
    made = plain_parts("*" * 4097, 2000)
    assert all(len(one) <= 2000 for one in made)
    assert sum(one.count("\\*") for one in made) == 4097


def test_long_markdown_keeps_its_code_whole() -> None:
    code = "```python\n" + "\n".join(f"line_{number} = {number}" for number in range(60)) + "\n```"
    text = "intro " * 250 + "\n\n" + code + "\n\nthe end"
    made = markdown_parts(text, 2000)
    assert len(made) == 2
    assert made[1].startswith("```python\nline_0")
    assert made[1].endswith("the end")


def test_code_longer_than_a_message_is_fenced_in_each_part() -> None:
    text = (
        "see:\n```js\n" + "\n".join("x" * 90 for _ in range(60)) + "\n" + "y" * 4500 + "\n```\nend"
    )
    made = markdown_parts(text, 2000)
    assert all(len(one) <= 2000 for one in made)
    assert all(one.count("```") % 2 == 0 for one in made)
    assert sum(one.count("x") for one in made) == 5400
    assert sum(one.count("y") for one in made) == 4500
    assert "end" in made[-1]


def test_long_paragraphs_fill_their_messages() -> None:
    made = markdown_parts("first\n\n" + "word " * 1500 + "\n\nlast", 2000)
    assert len(made) == 4
    assert made[0].startswith("first\n\nword")
    assert made[-1].endswith("last")
    assert sum(one.count("word") for one in made) == 1500


UNBALANCED = [
    "**never closed",
    "```",
    "`",
    "[a](",
    "|",
    "|\n|-",
    "<",
    "\\",
    "# ",
    "> ",
    "__",
    "||",
    "~~~",
    "*" * 3000,
    "`" * 501,
]
STRANGE = [
    "\ud83d broken",
    "a\x00b",
    "\u202ertl",
    "\u200f",
    "@everyone <@&5>",
    "x" * 6000,
    "\n" * 50 + "late",
]


@pytest.mark.parametrize("text", UNBALANCED + STRANGE)
def test_whatever_a_model_writes_can_be_sent(text: str) -> None:
    for markdown in (True, False):
        for part in parts(Reply(text, markdown=markdown)):
            check_message(part.payload, [], webhook=False)


def test_halves_of_characters_are_replaced() -> None:
    assert clean("a\ud83db 🦊") == "a�b 🦊"


def test_a_spoiler_is_one_by_its_name() -> None:
    from bots.discord.render import file_name

    assert (
        file_name(ReplyFile("photo", "k7m2.png", "image/png", b"x", spoiler=True))
        == "SPOILER_k7m2.png"
    )


def test_a_form_keeps_discords_limits() -> None:
    check_form(form(Ask("edit", "k7m2", "What should change? " * 5, default="night " * 1000)))
    check_form(form(Ask("image", "", "")))
    (part,) = parts(Reply("What should change?", ask=Ask("edit", "k7m2", "Write")))
    check_message(part.payload, [], webhook=False)
    assert re.search("form:edit:k7m2", str(part.payload["components"]))
