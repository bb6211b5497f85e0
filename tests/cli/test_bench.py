"""`./run bench`: its registry, its tables, its page, and names that are no bench."""

import ast
import platform
from pathlib import Path

import pytest

from api.version import VERSION
from cli.bench import bench
from cli.errors import CommandRefused
from tests.bench import machine, page, ratios, suite
from tests.bench.measured import Measured, Result, read
from tests.cli.without_tests import refusal_without_tests

ROOT = Path(__file__).parent.parent.parent


def test_each_module_with_a_bench_is_listed() -> None:
    found = set()
    for path in (ROOT / "tests" / "bench").glob("*.py"):
        body = ast.parse(path.read_text()).body
        if any(isinstance(each, ast.AsyncFunctionDef) and each.name == "bench" for each in body):
            found.add(path.stem)
    assert found == set(suite.BENCHES)


def test_the_list_names_each_bench(capsys: pytest.CaptureFixture[str]) -> None:
    assert bench([], list_=True, quick=False, write=False) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [*suite.BENCHES]


def test_an_unknown_name_gets_the_names() -> None:
    with pytest.raises(CommandRefused) as refused:
        bench(["start", "speed"], list_=False, quick=True, write=False)
    assert str(refused.value) == (
        f"There is no bench named speed. There are: {', '.join(suite.BENCHES)}."
    )


def test_an_installation_without_tests_says_so(tmp_path: Path) -> None:
    assert refusal_without_tests(tmp_path, "bench").startswith("./run bench needs the tests")


def test_a_killed_bench_keeps_its_whole_lines(tmp_path: Path) -> None:
    kept = tmp_path / "figures"
    into = Measured(kept)
    into.add("ours", "p50", 3.0, "ms")
    into.add("ours", "p50", 2.0, "ms")
    with kept.open("a") as file:
        file.write('{"figure": {"of": "ou')
    ((key, figure),) = read(kept).figures.items()
    assert (key, figure.value) == (("ours", "p50"), 2.0)


def test_a_ratio_that_fell_by_a_third_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def result(of_speed: float, of_memory: float) -> Result:
        kept = tmp_path / "figures"
        kept.unlink(missing_ok=True)
        into = Measured(kept)
        into.add("ours", "speed", of_speed, "x")
        into.add("ours", "memory", of_memory, "x")
        into.add("ours", "p50", 1 / of_speed, "ms")
        return read(kept)

    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    last = tmp_path / "last.json"
    ratios.keep(result(0.3, 0.5), last)
    assert ratios.compared(result(0.25, 0.5), last) == [
        f"No ratio is more than 25% below that of {VERSION}."
    ]
    assert ratios.compared(result(0.9, 0.335), last) == [
        f"ours, memory: 0.335, 33% below the 0.5 of {VERSION}."
    ]
    assert ratios.compared(Result(), last) == [
        "ours, speed: not measured, 0.3 before.",
        "ours, memory: not measured, 0.5 before.",
    ]
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    (line,) = ratios.compared(result(0.2, 0.5), last)
    assert line.startswith(f"::warning title=Slower than {VERSION}::ours, speed: 0.2, 33% below")


def test_the_page_has_the_figures_and_what_is_missing(tmp_path: Path) -> None:
    into = Measured(tmp_path / "figures", quick=True)
    into.add("ours", "answers", 2345.678, "req/s", at_least=1000)
    into.add("ours", "p50", 6.04, "ms", at_most=5)
    into.add("a proxy", "answers", 3000, "req/s")
    into.leave_out("another gateway", "node is not installed")
    into.parameter("rounds", 3)
    written = tmp_path / "page.md"
    result = read(tmp_path / "figures")
    notes = "One\n    word.\n\n    Another."
    benches, facts = {"first": "Gateways", "second": "Pages"}, machine.facts()
    page.put(written, "second", result, benches, facts, notes=notes, quick=False)
    page.put(written, "first", result, benches, facts, notes=notes, quick=False)
    page.put(written, "first", result, benches, facts, notes=notes, quick=True)
    text = written.read_text()
    assert "|  | answers, req/s | p50, ms |" in text
    assert "| ours | 2,346 (≥ 1,000) | **6.04** (≤ 5) |" in text
    assert "| a proxy | 3,000 |  |" in text
    assert "- another gateway: not measured, since node is not installed." in text
    assert text.count("Gateways.") == 1
    assert f"| Python | {platform.python_version()} |" in text
    assert text.index("## first") < text.index("## second")
    assert "\n\nOne word.\n\nAnother.\n\n|" in text
    assert "short rounds" in text.partition("## second")[0]
    assert max(len(line) for line in text.splitlines() if not line.startswith("|")) <= 100


def test_the_readme_quotes_the_first_table(tmp_path: Path) -> None:
    kept, readme = tmp_path / "figures", tmp_path / "README.md"
    Measured(kept).add("ours", "answers", 5, "req/s")
    Measured(kept).add("a proxy", "answers", 6, "req/s")
    readme.write_text(f"Fast:\n\n{page.QUOTED}\nold\n{page.QUOTE_ENDS}\n\nEnd.\n")
    page.quote(readme, read(kept))
    assert "| ours | 5 |" in readme.read_text()
    assert "old" not in readme.read_text()
    assert readme.read_text().endswith(f"{page.QUOTE_ENDS}\n\nEnd.\n")


def test_the_page_holds_what_the_readme_quotes() -> None:
    quoted = (ROOT / "README.md").read_text().partition(page.QUOTED)[2].partition(page.QUOTE_ENDS)
    assert quoted[0].strip() in (ROOT / "docs" / "benchmarks.md").read_text()
    assert quoted[1]
