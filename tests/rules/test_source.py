"""House rules that a linter cannot say. Each rule is a function of one file, tried on a file that
breaks it."""

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath

import pytest

from tests.rules.source import PRODUCT, Source, imported, parse, product, sources

LINES = 500
FUNCTION_LINES = 60

# Files that may catch everything, because the process must go on or end with a sentence; each place
# logs what it caught.
BROAD = {
    "api/background.py": "whatever work does that nobody waits for, the process goes on, and says "
    "so",
    "api/generations/making/paid_pictures.py": "pictures that are paid for are booked all the "
    "same; it is raised afterwards",
    "api/check_up/service.py": "one look that breaks is a finding, beside the others",
    "api/media/pictures.py": "decoders fail in any way there is on made-up bytes; it goes on as a "
    "domain error with its cause",
    "api/text/endings.py": "an answer that cannot be kept is settled all the same",
    "api/text/service.py": "the answer's task ends, and its reader gets the error",
    "bots/core/dispatch.py": "whatever one command does, its chat gets a sentence with a reference",
    "bots/core/delivery_pump.py": "whatever one delivery does, the others go on; the api tries it "
    "again",
    "bots/core/moving_cards.py": "whatever one card does, the others move on",
    "bots/telegram/adapter.py": "whatever one update does, the others go on",
}
LONG_FUNCTIONS: dict[str, str] = {}

# Expressions that may stand in a statement's text beside constants of the module.
SQL_PARTS = {
    "db.skip_locked": "the engine's own words",
    "marks": "$1, $2, ... as many as a constant list of columns has",
    "sets": "columns, named by keyword arguments in our own code, and their $n",
    "table": "one of a constant list, or quoted",
    "key": "what to sort by, one of a constant list",
    "direction": "ASC or DESC, of the same list",
    "beyond": "< or >, as the direction asks",
    "where": "conditions of our own text and $1, $2, ...",
    "behind_it": "such a condition, of api/db/page_ids.py",
    "one.query": "a statement of our own, of a domain's invariants.py",
    "sums": "what is added up, written once",
    "part.sql": "a table of sums by day, of api/budget/day_sums.py",
    "joined": "a table of our own, or nothing",
    "by(order)": "of our own orders, by api/db/page_ids.py",
    "limit + 1": "a number",
    "ended": "a condition with $1 that is used twice",
    "self._db.skip_locked": "the engine's own words",
    "order.key": "of our own orders, by api/db/page_ids.py",
    "len(values) + 1": "the number of a parameter",
    "len(values) + 2": "the number of a parameter",
    "' AND '.join(texts)": "conditions of our own text and $1, $2, ...",
    "looked_in": "such a condition",
    "word": "a parameter in lower case",
    "names": "tables or columns that the migrations made, in quotes",
    "schema": "the name of a new schema, made of the time",
    "lists": "$1, $2, ... with the types of such columns",
    "checksum": "a column, or NULL where the table does not have it yet",
    "columns": "a list of our own",
}

# Files below the adapters that name a chat platform; all others ask for its abilities.
PLATFORM_NAMES = {
    "api/schemas.py": "the Platform literal",
    "api/settings.py": "each platform's token is a setting of its own",
}

# Folders and files whose docstrings are still being rewritten.
NAMELESS = {"utils", "util", "common", "helpers", "helper", "managers", "manager", "misc"}
PLATFORMS = re.compile(r"telegram|discord", re.IGNORECASE)
QUESTION = re.compile(r"(?:What|Which|Who|Where|When|How)(?:ever)?\b|Whose\b|Whom\b")
SLOW = re.compile(r"provider|media|http|client|sleep")
Rule = Callable[[Source], Iterator[str]]


def too_long(source: Source) -> Iterator[str]:
    lines = len(source.text.splitlines())
    if lines > LINES:
        yield f"{lines} lines"


def long_functions(source: Source) -> Iterator[str]:
    for node in source.nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
            lines = node.end_lineno - node.lineno + 1
            if lines > FUNCTION_LINES:
                yield f"{node.name} has {lines} lines"


def question_docstrings(source: Source) -> Iterator[str]:
    """Find docstrings that begin with a question word in place of their subject or a verb."""
    for node in source.nodes:
        if (
            isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str)
            and QUESTION.match(node.value.value)
        ):
            yield f"line {node.lineno}: {node.value.value[:60]}"


def hidden_sentences(source: Source) -> Iterator[str]:
    """Find sentences inside an f-string, where the tool of the translations does not see them."""
    for text in source.nodes:
        for node in ast.walk(text) if isinstance(text, ast.JoinedStr) else ():
            if (
                isinstance(node, ast.Call)
                and ast.unparse(node.func) in {"_", "ngettext"}
                and isinstance(node.args[0], ast.Constant)
            ):
                yield f"line {node.lineno}: {ast.unparse(node)}"


def nameless_modules(source: Source) -> Iterator[str]:
    if NAMELESS & set(PurePosixPath(source.name).with_suffix("").parts):
        yield "this name does not say what is in it"


def broad_excepts(source: Source) -> Iterator[str]:
    for node in source.nodes:
        if isinstance(node, ast.ExceptHandler) and _is_broad(node.type) and not _reraises(node):
            yield f"line {node.lineno} catches everything"


def _is_broad(caught: ast.expr | None) -> bool:
    parts = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    return any(
        part is None or (isinstance(part, ast.Name) and part.id in {"Exception", "BaseException"})
        for part in parts
    )


def _reraises(handler: ast.ExceptHandler) -> bool:
    last = handler.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None


def silent_excepts(source: Source) -> Iterator[str]:
    for node in source.nodes:
        if (
            isinstance(node, ast.ExceptHandler)
            and _is_broad(node.type)
            and not (_reraises(node) or _translates(node) or _logs(node))
        ):
            yield f"line {node.lineno} catches everything and says nothing"


def _translates(handler: ast.ExceptHandler) -> bool:
    """Tell whether the handler raises another error with this one as its cause."""
    last = handler.body[-1]
    return (
        isinstance(last, ast.Raise)
        and isinstance(last.cause, ast.Name)
        and last.cause.id == handler.name
    )


def _logs(handler: ast.ExceptHandler) -> bool:
    return any(
        isinstance(node, ast.Call) and ast.unparse(node.func) == "log.exception"
        for node in ast.walk(handler)
    )


def platform_names(source: Source) -> Iterator[str]:
    for number, line in enumerate(source.text.splitlines(), 1):
        if PLATFORMS.search(line):
            yield f"line {number}: {line.strip()[:80]}"


def foreign_stores_and_routes(source: Source) -> Iterator[str]:
    """Find imports of another domain's store (except its row types), and of routes outside the
    app."""
    own = ".".join(PurePosixPath(source.name).parts[:2])
    for line, name in imported(source):
        found = re.match(r"(api\.\w+)\.(store|routes)\b(?!\.[A-Z])", name)
        if found and found[1] != own and not (found[2] == "routes" and source.name == "api/app.py"):
            yield f"line {line} imports {found[0]}"


def slow_transactions(source: Source) -> Iterator[str]:
    """Find waits for a network or a disk inside a transaction: DuckDB has one writer. A call that
    takes the transaction is SQL."""
    for node in source.nodes:
        item = (
            next((i for i in node.items if _ends_in(i.context_expr, "transaction")), None)
            if isinstance(node, ast.AsyncWith)
            else None
        )
        if item is None:
            continue
        given = ast.unparse(item.optional_vars) if item.optional_vars else ""
        for call in ast.walk(node):
            if (
                isinstance(call, ast.Call)
                and SLOW.search(ast.unparse(call.func))
                and given not in map(ast.unparse, call.args)
            ):
                yield f"line {call.lineno} calls {ast.unparse(call.func)}"


def _ends_in(node: ast.expr, name: str) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == name
    )


def transactions_outside_services(source: Source) -> Iterator[str]:
    """Find transactions in stores and routes: they take part in their caller's."""
    if PurePosixPath(source.name).name in {"store.py", "routes.py"}:
        yield from (
            f"line {node.lineno} opens a transaction"
            for node in source.nodes
            if isinstance(node, ast.expr) and _ends_in(node, "transaction")
        )


def values_in_sql(source: Source) -> Iterator[str]:
    """Find values in the text of a statement, in place of `$1` parameters. Constants of the module
    may stand there. A statement is written in its call, or as `query` before it."""
    for node in source.nodes:
        text: ast.expr | None = None
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in {"fetch", "fetch_one", "execute"}
            and node.args
        ):
            text = node.args[0]
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "query":
            text = node.value
        for part in ast.walk(text) if text is not None else ():
            if isinstance(part, ast.FormattedValue) and not _is_constant(part.value):
                yield f"line {part.lineno} puts {ast.unparse(part.value)} into SQL"


def _is_constant(node: ast.expr) -> bool:
    return ast.unparse(node) in SQL_PARTS or (
        isinstance(node, ast.Name) and node.id.strip("_").isupper()
    )


RULES: list[tuple[Rule, list[str], dict[str, str], str]] = [
    (too_long, [*PRODUCT, "tests"], {}, "x = 1\n" * (LINES + 1)),
    (
        long_functions,
        [*PRODUCT, "tests"],
        LONG_FUNCTIONS,
        "def f():\n" + "    pass\n" * FUNCTION_LINES,
    ),
    (question_docstrings, [*PRODUCT, "tests"], {}, 'x = 1\n"""Whose number it is."""\n'),
    (hidden_sentences, PRODUCT, {}, "said = f'{count} {_(\"are kept.\")}'\n"),
    (broad_excepts, PRODUCT, BROAD, "try:\n    f()\nexcept (KeyError, Exception):\n    pass\n"),
    (silent_excepts, PRODUCT, {}, "try:\n    f()\nexcept:\n    log.warning('x')\n"),
    (
        platform_names,
        ["api", "bots/core"],
        PLATFORM_NAMES,
        "if address.platform == 'telegram':\n    pass\n",
    ),
    (foreign_stores_and_routes, ["api"], {}, "from api.users import store\n"),
    (
        slow_transactions,
        ["api"],
        {},
        (
            "async def f(db, provider):\n    async with db.transaction() as sql:\n"
            "        await provider.submit(1)\n"
        ),
    ),
    (
        values_in_sql,
        ["api"],
        {},
        "async def f(sql, name):\n    await sql.fetch(f'SELECT {name}')\n",
    ),
    (values_in_sql, ["api"], {}, "async def f(name):\n    query = f'SELECT {name}'\n"),
]


@pytest.mark.parametrize(
    ("rule", "folders", "allowed", "bad"), RULES, ids=[rule.__name__ for rule, *_ in RULES]
)
def test_rule(rule: Rule, folders: list[str], allowed: dict[str, str], bad: str) -> None:
    assert list(rule(parse(bad))), "the rule does not see what it forbids"
    broken = {source.name: found for source in sources(*folders) if (found := list(rule(source)))}
    assert {name: found for name, found in broken.items() if name not in allowed} == {}
    assert set(allowed) <= set(broken), "an exception that nothing needs any more"


@pytest.mark.parametrize(
    ("rule", "bad"),
    [
        (nameless_modules, "api/utils.py"),
        (nameless_modules, "api/helpers/text.py"),
        (transactions_outside_services, "api/users/store.py"),
    ],
)
def test_rule_about_names(rule: Rule, bad: str) -> None:
    text = "async def f(db):\n    async with db.transaction() as sql:\n        pass\n"
    assert list(rule(Source(bad, text)))
    assert {source.name: found for source in product() if (found := list(rule(source)))} == {}


def test_every_part_of_sql_is_needed() -> None:
    text = "".join(source.text for source in sources("api"))
    assert [part for part in SQL_PARTS if f"{{{part}}}" not in text] == []
