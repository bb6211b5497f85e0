"""Calls of a bot's processes: their presence and leases, and the updates that they answer."""

from client.call import Call
from client.schemas import bots as schemas

BEAT = 3.0
"""Seconds for calls that a moment later would say the same, or whose work goes on without them."""


def beat(beat: schemas.BeatIn) -> Call[schemas.BeatOut]:
    """Renews the presence and the leases of the process."""
    address = "/bot/processes/beat"
    return Call("POST", address, schemas.BeatOut, body=beat, within=BEAT, harmless=True)


def leave(process: str) -> Call[None]:
    body = schemas.LeaveIn(process=process)
    return Call("POST", "/bot/processes/leave", body=body, within=BEAT, harmless=True)


def turn(name: str, seconds: float) -> Call[schemas.TurnOut]:
    """One caller has the turn within that time."""
    body = schemas.TurnIn(name=name, seconds=seconds)
    return Call("POST", "/bot/turns", schemas.TurnOut, body=body, within=BEAT)


def keep_updates(keep: schemas.KeepIn) -> Call[schemas.KeptOut]:
    return Call("POST", "/bot/updates/keep", schemas.KeptOut, body=keep, within=BEAT, harmless=True)


def claim_updates(claim: schemas.ClaimIn) -> Call[list[schemas.UpdateOut]]:
    """Takes over the updates that nobody answers; all that the process has are in the answer."""
    return Call("POST", "/bot/updates/claim", list[schemas.UpdateOut], body=claim, harmless=True)


def update_shown(shown: schemas.ShownIn) -> Call[None]:
    return Call("POST", "/bot/updates/shown", body=shown, within=BEAT, harmless=True)


def updates_done(done: schemas.DoneIn) -> Call[None]:
    return Call("POST", "/bot/updates/done", body=done, within=BEAT, harmless=True)
