"""Every state of a generation and every move between them: the one table that all writes ask.
ARCHITECTURE.md shows it ("States")."""

from collections.abc import Mapping
from typing import Literal, cast

from api.generations.schemas import GenerationStatus

Phase = Literal["submit", "submitting", "poll", "fetch", "done", "submit_unknown", "needs_review"]
State = tuple[GenerationStatus, Phase]
"""A pair of status, as its owner sees it, and phase of the work."""

_TABLE = {
    "queued/submit": "processing/submitting failed/done cancelled/done",
    "processing/submitting": "queued/submit processing/poll processing/submit_unknown "
    "completed/done failed/done cancelled/submitting",
    "processing/submit_unknown": "processing/poll processing/needs_review failed/done "
    "cancelled/submit_unknown",
    "processing/poll": "processing/fetch processing/needs_review failed/done cancelled/poll",
    "processing/fetch": "processing/needs_review completed/done failed/done cancelled/fetch",
    "processing/needs_review": "processing/poll failed/done cancelled/needs_review",
    # the user has stopped waiting; the work is followed for its cost
    "cancelled/submitting": "cancelled/poll cancelled/submit_unknown cancelled/done",
    "cancelled/submit_unknown": "cancelled/poll cancelled/needs_review cancelled/done",
    "cancelled/poll": "cancelled/fetch cancelled/needs_review cancelled/done",
    "cancelled/fetch": "cancelled/needs_review cancelled/done",
    "cancelled/needs_review": "cancelled/poll cancelled/done",
    "completed/done": "",
    "failed/done": "",
    "cancelled/done": "",
}


def _state(name: str) -> State:
    status, phase = name.split("/")
    return cast(State, (status, phase))


MOVES: Mapping[State, tuple[State, ...]] = {
    _state(name): tuple(map(_state, targets.split())) for name, targets in _TABLE.items()
}


def name(state: State) -> str:
    """Return the text by which SQL compares it: `status || '/' || phase`."""
    return "/".join(state)


def sources(phase: Phase, status: GenerationStatus | None = None) -> list[str]:
    """Return the states from which a write may go to `phase`; also the phase itself, for a write
    that only changes other columns, except `submitting`: the intent to pay is written once, by one
    lease as well. `status` None leaves the row's own."""
    return sorted(
        name(state)
        for state, targets in MOVES.items()
        if targets
        and (
            (status or state[0], phase) in targets
            or (state[1] == phase != "submitting" and status in {None, state[0]})
        )
    )


def endings(status: GenerationStatus) -> list[str]:
    """Return the states from which a generation may end as `status`; a cancelled one ends from the
    same phases and stays cancelled."""
    waiting = {state for state, targets in MOVES.items() if (status, "done") in targets}
    return sorted(
        name(state)
        for state, targets in MOVES.items()
        if state in waiting
        or (
            state[0] == "cancelled"
            and ("cancelled", "done") in targets
            and ("processing", state[1]) in waiting
        )
    )


def in_phase(*phases: Phase) -> list[str]:
    """Return every state of these phases that is not an end."""
    return sorted(name(state) for state, targets in MOVES.items() if state[1] in phases and targets)
