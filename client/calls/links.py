"""Calls about chats and accounts: linking them, and what a bot tells of itself and of people."""

from client.call import ACTING, Call, path
from client.schemas import Page, Platform
from client.schemas.links import (
    ActIn,
    ActOut,
    AnswerIn,
    BotProfileIn,
    BotsOut,
    CodeOut,
    CodeStateOut,
    LinkOut,
    RedeemIn,
    RedeemOut,
    ReportedOut,
    ReportIn,
)


def connected_bots() -> Call[BotsOut]:
    return Call("GET", "/links/bots", BotsOut)


def links() -> Call[Page[LinkOut]]:
    return Call("GET", "/links", Page[LinkOut])


def new_link_code(platform: Platform) -> Call[CodeOut]:
    return Call("POST", "/links/codes", CodeOut, body={"platform": platform})


def link_code(code_id: str) -> Call[CodeStateOut]:
    return Call("GET", path("/links/codes/{}", code_id), CodeStateOut)


def confirm_link(code_id: str) -> Call[CodeStateOut]:
    return Call("POST", path("/links/codes/{}/confirm", code_id), CodeStateOut)


def unlink(platform: str, platform_user_id: str) -> Call[None]:
    """Takes a person's identity on the platform off its account."""
    return Call("DELETE", path("/links/{}/{}", platform, platform_user_id))


def report(report: ReportIn) -> Call[ReportedOut]:
    """Tells the admins."""
    return Call("POST", "/users/me/reports", ReportedOut, body=report)


# --- of bots


def act(ask: ActIn, *, patient: bool = False) -> Call[ActOut]:
    """A token that acts for a person in a chat. `patient`: people know already that it takes
    long."""
    return Call("POST", "/bot/act", ActOut, body=ask, within=None if patient else ACTING)


def profile(profile: BotProfileIn) -> Call[None]:
    return Call("PUT", "/bot/profile", body=profile)


def redeem(redeem: RedeemIn) -> Call[RedeemOut]:
    return Call("POST", "/bot/links/redeem", RedeemOut, body=redeem, harmless=True)


def answer_link(answer: AnswerIn) -> Call[RedeemOut]:
    return Call("POST", "/bot/links/answer", RedeemOut, body=answer, harmless=True)
