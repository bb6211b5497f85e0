"""Calls about people who ask to be let in."""

from client.call import Call, path
from client.schemas import joins as schemas


def ask_to_join(join: schemas.JoinIn) -> Call[schemas.JoinedOut]:
    """Of a bot, for somebody without an account."""
    return Call("POST", "/bot/joins", schemas.JoinedOut, body=join, harmless=True)


def decide_join_in_chat(join_id: str, decision: schemas.DecisionIn) -> Call[None]:
    """Of a bot that acts for an admin."""
    return Call("POST", path("/bot/joins/{}", join_id), body=decision)


def join_requests() -> Call[schemas.JoinsOut]:
    return Call("GET", "/admin/joins", schemas.JoinsOut)


def decide_join(join_id: str, decision: schemas.DecisionIn) -> Call[None]:
    return Call("POST", path("/admin/joins/{}", join_id), body=decision)
