"""The import graph of the whole product has no cycle, imports for types and inside functions
counted."""

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import PurePosixPath

from tests.rules.source import Source, imported, product

Graph = Mapping[str, set[str]]


def module_of(source: Source) -> str:
    return ".".join(PurePosixPath(source.name).with_suffix("").parts).removesuffix(".__init__")


def graph_of(sources: Iterable[Source]) -> Graph:
    """Return each module's imports of the others. `from a import b` is an import of `a.b` where
    that is a module, and of `a` elsewhere."""
    named = {module_of(source): source for source in sources}

    def found(source: Source) -> Iterable[str]:
        for _line, name in imported(source):
            module = name if name in named else name.rpartition(".")[0]
            if module in named:
                yield module

    return {name: set(found(source)) for name, source in named.items()}


def cycles(graph: Graph) -> list[str]:
    """Return one example for each module that comes back to itself."""

    def way_back(start: str) -> list[str] | None:
        ways, seen = [[start]], {start}
        for way in ways:
            for module in sorted(graph[way[-1]]):
                if module == start:
                    return [*way, start]
                if module not in seen:
                    seen.add(module)
                    ways.append([*way, module])
        return None

    ways = (way_back(module) for module in graph)
    return [" -> ".join(way) for way in ways if way is not None]


@cache
def product_graph() -> Graph:
    return graph_of(product())


def test_the_product_has_no_import_cycle() -> None:
    assert cycles(product_graph()) == []


def test_the_graph_has_the_product_in_it() -> None:
    graph = product_graph()
    assert "api.settings" in graph["api.mail"]
    assert "api.auth.service" in graph["api.auth.routes"]
    assert len(graph) > 300


def test_a_cycle_is_seen_through_types_and_functions() -> None:
    typed = "if TYPE_CHECKING:\n    from api.b import B\n"
    inner = "def f():\n    from api.a import A\n"
    made = [
        Source("api/a.py", typed),
        Source("api/b.py", inner),
        Source("api/c.py", "import api.a"),
    ]
    assert cycles(graph_of(made)) == ["api.a -> api.b -> api.a", "api.b -> api.a -> api.b"]
    assert cycles(graph_of(made[::2])) == []
