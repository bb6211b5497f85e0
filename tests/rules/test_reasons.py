"""Each reason of an error is raised, has its sentence, and belongs to one code."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import get_args

from api.errors import BY_CODE, reasons_of
from api.reasons import MAKING, SENTENCES, Reason, StatusReason

ROOT = Path(__file__).parents[2]
ERRORS = {kind.__name__: kind for kind in BY_CODE.values()}
CARRIED = {"retry_after", "field", "allowed", "model", "estimate_micro", "draft_id"}
PROVIDER = {"code", "outcome", "status", "upstream", "cost_micro", "retry_after"}
RECOGNISING = {"startswith", "endswith", "find", "index", "search", "match", "fullmatch"}
OF_OTHERS = {
    "api/database.py",
    "api/provider/failures.py",
    "bots/telegram/adapter.py",
    "bots/telegram/calls.py",
    "bots/telegram/files.py",
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
    assert set(SENTENCES) == {*own, *MAKING, *get_args(StatusReason)}


def test_a_reason_is_a_name_and_no_prose() -> None:
    for reason, sentence in SENTENCES.items():
        assert re.fullmatch(r"[a-z]+(_[a-z]+){0,4}", reason), reason
        assert sentence[-1] in ".”s", reason


def test_each_reason_is_used() -> None:
    """Use through a table or a variable counts: a reason that stands nowhere else is never
    raised."""
    used: set[str] = set()
    for path in sorted((ROOT / "api").rglob("*.py")):
        if path.name != "reasons.py":
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


def test_nobody_recognises_prose() -> None:
    """A sentence is never compared: neither with `==` nor `in`, nor by its beginning."""
    wrong = []
    for path in SOURCES:
        where = str(path.relative_to(ROOT))
        for node in ast.walk(_tree(path)):
            held: list[ast.expr] = []
            if isinstance(node, ast.Compare) and not isinstance(node.ops[0], ast.Is | ast.IsNot):
                held = [node.left, *node.comparators]
            elif (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in RECOGNISING
            ):
                held = [node.func.value, *node.args]
            wrong += [
                f"{where}: {ast.unparse(node)}"
                for each in held
                if isinstance(each, ast.Attribute)
                and each.attr in {"detail", "message"}
                and where not in OF_OTHERS
            ]
    assert wrong == []
