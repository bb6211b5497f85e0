"""`/links`: the account's side of linking; `/bot/links` and `/bot/profile`: the chat's side."""

from fastapi import APIRouter

from api.callers import BotCaller, RecentCaller, RecentOrChatCaller, SessionCaller, UserCaller
from api.deps import ServicesDep
from api.errors import NotAllowed
from api.links.schemas import (
    AnswerIn,
    BotProfileIn,
    BotsOut,
    CodeIn,
    CodeOut,
    CodeStateOut,
    LinkOut,
    RedeemIn,
    RedeemOut,
    ReportedOut,
    ReportIn,
)
from api.schemas import Page, Platform

router = APIRouter(tags=["links"])


@router.post("/links/codes", status_code=201)
async def start(body: CodeIn, caller: RecentCaller, services: ServicesDep) -> CodeOut:
    """A code for 5 minutes, to be used in a private chat with the bot. An older one for the
    platform stops working."""
    return await services.links.start(caller.user_id, body.platform)


@router.get("/links/codes/{code_id}")
async def state(code_id: str, caller: SessionCaller, services: ServicesDep) -> CodeStateOut:
    return await services.links.state(caller.user_id, code_id)


@router.post("/links/codes/{code_id}/confirm")
async def confirm(code_id: str, caller: SessionCaller, services: ServicesDep) -> CodeStateOut:
    return await services.links.confirm(caller.user_id, code_id)


@router.get("/links")
async def links(caller: UserCaller, services: ServicesDep) -> Page[LinkOut]:
    """All of them: a person has a few."""
    return Page(items=await services.links.links(caller.user_id))


@router.get("/links/bots")
async def bots(caller: UserCaller, services: ServicesDep) -> BotsOut:
    return BotsOut(connected=await services.auth.bots.connected())


@router.delete("/links/{platform}/{platform_user_id}", status_code=204)
async def unlink(
    platform: Platform, platform_user_id: str, caller: RecentOrChatCaller, services: ServicesDep
) -> None:
    """On the web with a recent password; a chat can unlink only whom it acts for."""
    if caller.platform is not None and (caller.platform, caller.platform_user_id) != (
        platform,
        platform_user_id,
    ):
        raise NotAllowed("A chat can only unlink itself. Use the web page.")
    await services.links.unlink(
        caller.user_id, platform, platform_user_id, from_chat=caller.chat_id
    )


@router.post("/users/me/reports", status_code=201)
async def report(body: ReportIn, caller: UserCaller, services: ServicesDep) -> ReportedOut:
    """Tells the admins that something does not work: in their chats, and in the audit log. Once an
    hour for the same thing."""
    if body.generation_id is None:
        return await services.links.report(caller.user_id, code=body.code or "other")
    made = await services.generations.reader.owned(caller.user_id, body.generation_id)
    return await services.links.report(
        caller.user_id, code=made.error_reason or made.error_code or "other", short_id=made.short_id
    )


@router.post("/bot/links/redeem")
async def redeem(body: RedeemIn, bot: BotCaller, services: ServicesDep) -> RedeemOut:
    return await services.links.redeem(bot.platform, body)


@router.post("/bot/links/answer")
async def answer(body: AnswerIn, bot: BotCaller, services: ServicesDep) -> RedeemOut:
    return await services.links.answer(bot.platform, body)


@router.put("/bot/profile", status_code=204)
async def save_profile(body: BotProfileIn, bot: BotCaller, services: ServicesDep) -> None:
    """What a bot says of itself when it has connected."""
    await services.links.save_profile(bot.platform, body)
