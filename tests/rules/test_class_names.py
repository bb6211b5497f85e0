"""No class name stands twice in the product."""

import ast
from collections import defaultdict
from collections.abc import Iterable

from tests.rules.source import Source, parse, product


def repeated(sources: Iterable[Source]) -> dict[str, list[str]]:
    """Return repeated class names with the files that define them, nested classes counted."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for source in sources:
        for node in source.nodes:
            if isinstance(node, ast.ClassDef):
                found[node.name].append(source.name)
    return {name: files for name, files in found.items() if len(files) > 1}


def test_each_class_name_means_one_thing() -> None:
    assert repeated(product()) == {}


def test_a_name_used_twice_is_seen() -> None:
    twice = "class Plan:\n    pass\n\n\ndef f():\n    class Plan:\n        pass\n"
    assert repeated([parse(twice)]) == {"Plan": ["made/up.py", "made/up.py"]}
