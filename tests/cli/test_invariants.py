"""Lines of `./run invariants`."""

import json
from typing import get_args

from api.check_up.schemas import BrokenOut, InvariantName, InvariantOut, InvariantsOut
from api.ids import now
from cli.invariants import SENTENCES, as_json, lines

FOUND = InvariantsOut(
    at=now(),
    version="1",
    invariants=[
        InvariantOut(name="paid_once", state="holds"),
        InvariantOut(name="files_have_rows", state="skipped", skipped="store_shared"),
        InvariantOut(
            name="jobs_told",
            state="broken",
            count=3,
            rows=[BrokenOut(id="a", facts="completed, told 0 times")],
        ),
    ],
)


def test_each_invariant_has_its_sentences() -> None:
    assert set(SENTENCES) == set(get_args(InvariantName))
    assert all(each.promise.endswith(".") and each.advice for each in SENTENCES.values())


def test_a_broken_one_names_its_rows_and_says_what_to_do() -> None:
    told = lines(FOUND)
    assert told[0].startswith("ok      No job has two ids")
    assert told[1].startswith("-       ")
    assert "uses the same store" in told[2]
    assert told[3].startswith("BROKEN  Each ended or cancelled job of a chat")
    assert told[4:6] == ["        a: completed, told 0 times", "        and 2 more"]
    assert told[6].strip().startswith("The person finds the result in the gallery.")
    assert told[-1] == "1 broken."
    assert all(len(line) <= 100 for line in told)


def test_programs_get_the_same() -> None:
    holds, _, broken = json.loads(as_json(FOUND))
    assert holds["advice"] is None
    assert (broken["state"], broken["count"], broken["advice"]) == (
        "broken",
        3,
        SENTENCES["jobs_told"].advice,
    )
