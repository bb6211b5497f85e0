"""`./run check`: format, lint, types, import rules, unused code, dependencies, container files,
workflows, shell. One line for each."""

import re
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

# A field or property is used by who reads the JSON or the template, and an argument may be there
# for its protocol: vulture sees neither.
FIELDS = re.compile(r"unused (variable|attribute|property) .*% confidence\)$")


@dataclass(frozen=True)
class Step:
    """`harmless` are the lines that do not count: with no other line the step passes, whatever its
    exit code."""

    name: str
    command: Sequence[str]
    harmless: re.Pattern[str] | None = None


@dataclass(frozen=True)
class Result:
    ok: bool
    output: str
    seconds: float


def schema(name: str, *files: str) -> Sequence[str]:
    """One of the schemas that come with the program: nothing is fetched."""
    return ["check-jsonschema", "--builtin-schema", f"vendor.{name}", *files]


def files(pattern: str) -> Sequence[str]:
    return sorted(map(str, Path().glob(pattern)))


STEPS = [
    Step("types", ["mypy"]),
    Step("format", ["ruff", "format", "--check", "--diff", "--quiet"]),
    Step("lint", ["ruff", "check", "--quiet"]),
    Step("import rules", ["lint-imports", "--no-logo"]),
    Step("unused code", ["vulture"], harmless=FIELDS),
    Step("dependencies", ["deptry", "--no-ansi", "."]),
    Step("compose file", schema("compose-spec", "docker-compose.yml")),
    Step("workflows", schema("github-workflows", *files(".github/workflows/*.yml"))),
    Step("workflows' safety", ["zizmor", "--offline", "--quiet", "--no-progress", ".github"]),
    Step("issue forms", schema("github-issue-forms", *files(".github/ISSUE_TEMPLATE/*[!g].yml"))),
    Step("dependabot", schema("dependabot", ".github/dependabot.yml")),
    Step("Dockerfile", ["hadolint", "Dockerfile"]),
    Step("run", ["dash" if shutil.which("dash") else "sh", "-n", "run"]),
    Step(".ci/run", ["bash", "-n", ".ci/run"]),
]


def perform(step: Step) -> Result:
    """Tools that are installed beside this Python come before what PATH has."""
    started = time.monotonic()
    beside = Path(sysconfig.get_path("scripts")) / step.command[0]
    program = str(beside) if beside.exists() else step.command[0]
    done = subprocess.run([program, *step.command[1:]], capture_output=True, text=True, check=False)
    output = done.stdout + done.stderr
    ok = done.returncode == 0
    if step.harmless is not None:
        output = "\n".join(line for line in output.splitlines() if not step.harmless.search(line))
        ok = not output
    return Result(ok, output.strip(), time.monotonic() - started)


def main() -> int:
    failed = []
    with ThreadPoolExecutor(2) as pool:
        for step, result in zip(STEPS, pool.map(perform, STEPS), strict=True):
            print(
                f"{step.name:<14} {'ok' if result.ok else 'FAILED':<7} {result.seconds:5.1f} s",
                flush=True,
            )
            if not result.ok:
                failed.append(step.name)
                print(result.output, flush=True)
    print(f"Failed: {', '.join(failed)}" if failed else "All checks passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
