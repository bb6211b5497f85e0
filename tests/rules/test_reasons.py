"""Each reason of an error is raised, has its sentence, and belongs to one code."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import get_args

import pytest

from api.deliveries.schemas import REASONS
from api.errors import BY_CODE, reasons_of
from api.reasons import MAKING, SENTENCES, CheckReason, Reason, StatusReason

ROOT = Path(__file__).parents[2]
ERRORS = {kind.__name__: kind for kind in BY_CODE.values()}
CARRIED = {"retry_after", "field", "allowed", "model", "estimate_micro", "draft_id"}
PROVIDER = {"code", "outcome", "status", "upstream", "cost_micro", "retry_after"}
RECOGNISING = {
    "casefold",
    "endswith",
    "find",
    "fullmatch",
    "index",
    "lower",
    "match",
    "partition",
    "search",
    "split",
    "startswith",
}
PROSE = {"detail", "message", "reason", "said"}
"""Names of sentences, and of reasons, which have no inside to look into."""
OF_OTHERS = {
    "api/database.py",
    "api/provider/failures.py",
    "bots/telegram/adapter.py",
    "bots/telegram/calls.py",
    "bots/telegram/received_files.py",
}
"""Modules that compare texts of DuckDB, of the provider and of Telegram, which have no code for
these cases."""
SOURCES = [
    path
    for name in ("api", "bots", "admin_web", "cli", "client")
    for path in sorted((ROOT / name).rglob("*.py"))
]


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def _calls() -> Iterator[tuple[str, ast.Call]]:
    """Yield each place that makes an error of ours, by the error's name."""
    for path in sorted((ROOT / "api").rglob("*.py")):
        for node in ast.walk(_tree(path)):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and (node.func.id in ERRORS or node.func.id == "ProviderError")
            ):
                yield node.func.id, node


def _words(node: ast.AST) -> set[str]:
    return {
        each.value
        for each in ast.walk(node)
        if isinstance(each, ast.Constant) and isinstance(each.value, str)
    }


def _params(reason: str) -> set[str]:
    return set(re.findall(r"%\((\w+)\)s", SENTENCES[reason]))  # type: ignore[index]


def test_each_reason_has_its_sentence_and_belongs_to_one_code() -> None:
    assert set(SENTENCES) == set(get_args(Reason))
    own = Counter(
        reason
        for code, kind in BY_CODE.items()
        for reason in reasons_of(kind)
        if reason not in MAKING
        and (code == "option_unsupported" or not reason.startswith("option_"))
    )
    assert set(own.values()) == {1}
    assert set(SENTENCES) == {*own, *MAKING, *get_args(StatusReason), *get_args(CheckReason)}


def test_a_reason_is_a_name_and_no_prose() -> None:
    for reason, sentence in SENTENCES.items():
        assert re.fullmatch(r"[a-z]+(_[a-z]+){0,4}", reason), reason
        assert sentence[-1] in ".”s", reason


def test_each_reason_is_used() -> None:
    """Use through a table or a variable counts: a reason that stands nowhere else is never
    raised."""
    used: set[str] = set()
    for path in sorted((ROOT / "api").rglob("*.py")):
        if not path.name.endswith("reasons.py"):
            used |= _words(_tree(path))
    assert set(SENTENCES) <= used


def test_a_raise_names_its_reason_and_each_fact_of_its_sentence() -> None:
    seen = 0
    for name, call in _calls():
        given = {keyword.arg for keyword in call.keywords}
        if name == "ConfirmCost" or None in given:
            continue
        first = call.args[1] if name == "ProviderError" else call.args[0]
        reasons = _words(first) & set(SENTENCES)
        if name == "OptionUnsupported":
            given |= {"option"}
        for reason in reasons if isinstance(first, ast.Constant | ast.IfExp) else ():
            seen += 1
            extra = PROVIDER if name == "ProviderError" else CARRIED
            missing = _params(reason) - given
            assert not missing, f"{ast.unparse(call)}: {missing} missing"
            told = given - extra - _params(reason) - {"said", "option", "limit_usd", "kind"}
            assert not told, f"{ast.unparse(call)}: {told} is in no sentence"
    assert seen > 150


def test_each_reason_of_a_delivery_is_used() -> None:
    used: set[str] = set()
    for path in SOURCES:
        where = str(path.relative_to(ROOT))
        if where.startswith(("api/", "bots/")) and where != "api/deliveries/schemas.py":
            used |= _words(_tree(path))
    assert used >= REASONS
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+){0,3}", reason) for reason in REASONS)


def _recognised(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield each place that looks into a sentence: a comparison, a search, or a change of case,
    after which a search follows. A reason may be compared as a whole."""
    for node in ast.walk(tree):
        held: list[ast.expr] = []
        whole = False
        if isinstance(node, ast.Compare) and not isinstance(node.ops[0], ast.Is | ast.IsNot):
            held = [node.left, *node.comparators]
            whole = isinstance(node.ops[0], ast.Eq | ast.NotEq)
            if isinstance(node.ops[0], ast.In | ast.NotIn):
                held = node.comparators
                if _name(node.left) != "reason":
                    held = [node.left, *held]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            held = [node.func.value, *node.args] if node.func.attr in RECOGNISING else []
        prose = PROSE - {"reason"} if whole else PROSE
        if any(_name(each) in prose for each in held):
            yield node


def _name(node: ast.expr) -> str | None:
    """Return the name of a field, or a variable that holds a reason."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return "reason" if isinstance(node, ast.Name) and node.id == "reason" else None


@pytest.mark.parametrize(
    "line",
    [
        "error.detail == 'No such session.'",
        "error.detail.startswith('The last admin')",
        "error.message in SENTENCES",
        "reason.casefold()",
        "sign in failure.said",
        "'blocked' in failure.reason",
        "any(sign in self.reason.lower() for sign in signs)",
        "failure.said.lower()",
    ],
)
def test_recognised_prose_is_seen(line: str) -> None:
    assert list(_recognised(ast.parse(line)))


@pytest.mark.parametrize(
    "line", ["error.reason == 'too_large'", "error.reason in HINTS", "'%(said)s' in sentence"]
)
def test_a_reason_may_be_compared(line: str) -> None:
    assert not list(_recognised(ast.parse(line)))


def test_nobody_recognises_prose() -> None:
    """A sentence is never compared, neither ours nor a quoted one."""
    assert [
        f"{where}: {ast.unparse(node)}"
        for path in SOURCES
        if (where := str(path.relative_to(ROOT))) not in OF_OTHERS
        for node in _recognised(_tree(path))
    ] == []
