"""Calls about chats and accounts: linking them, and what a bot tells of itself and of people."""

from client.call import ACTING, Call, path
from client.schemas import Page, Platform
from client.schemas import links as schemas


def connected_bots() -> Call[schemas.BotsOut]:
    return Call("GET", "/links/bots", schemas.BotsOut)


def links() -> Call[Page[schemas.LinkOut]]:
    return Call("GET", "/links", Page[schemas.LinkOut])


def new_link_code(platform: Platform) -> Call[schemas.CodeOut]:
    return Call("POST", "/links/codes", schemas.CodeOut, body={"platform": platform})


def link_code(code_id: str) -> Call[schemas.CodeStateOut]:
    return Call("GET", path("/links/codes/{}", code_id), schemas.CodeStateOut)


def confirm_link(code_id: str) -> Call[schemas.CodeStateOut]:
    return Call("POST", path("/links/codes/{}/confirm", code_id), schemas.CodeStateOut)


def unlink(platform: str, platform_user_id: str) -> Call[None]:
    """Takes a person's identity on the platform off its account."""
    return Call("DELETE", path("/links/{}/{}", platform, platform_user_id))


def report(report: schemas.ReportIn) -> Call[schemas.ReportedOut]:
    """Tells the admins."""
    return Call("POST", "/users/me/reports", schemas.ReportedOut, body=report)


# --- of bots


def act(ask: schemas.ActIn) -> Call[schemas.ActOut]:
    """A token that acts for a person in a chat."""
    return Call("POST", "/bot/act", schemas.ActOut, body=ask, within=ACTING)


def profile(profile: schemas.BotProfileIn) -> Call[None]:
    return Call("PUT", "/bot/profile", body=profile)


def redeem(redeem: schemas.RedeemIn) -> Call[schemas.RedeemOut]:
    return Call("POST", "/bot/links/redeem", schemas.RedeemOut, body=redeem, harmless=True)


def answer_link(answer: schemas.AnswerIn) -> Call[schemas.RedeemOut]:
    return Call("POST", "/bot/links/answer", schemas.RedeemOut, body=answer, harmless=True)
