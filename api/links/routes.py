"""`/links`: the account's side of linking; `/bot/links` and `/bot/profile`: the chat's side."""

from fastapi import APIRouter

from api.auth.bots import BotService
from api.callers import BotCaller, RecentCaller, RecentOrChatCaller, SessionCaller, UserCaller
from api.deps import FromApp
from api.errors import NotAllowed
from api.generations.reader import GenerationReader
from api.links import schemas
from api.links.service import LinkService
from api.schemas import Page, Platform

router = APIRouter(tags=["links"])

BotsDep = FromApp[BotService]
LinksDep = FromApp[LinkService]
ReaderDep = FromApp[GenerationReader]


@router.post("/links/codes", status_code=201)
async def start(body: schemas.CodeIn, caller: RecentCaller, links: LinksDep) -> schemas.CodeOut:
    """Make a code for 5 minutes, to be used in a private chat with the bot. An older one for the
    platform stops working."""
    return await links.start(caller.user_id, body.platform)


@router.get("/links/codes/{code_id}")
async def state(code_id: str, caller: SessionCaller, links: LinksDep) -> schemas.CodeStateOut:
    return await links.state(caller.user_id, code_id)


@router.post("/links/codes/{code_id}/confirm")
async def confirm(code_id: str, caller: SessionCaller, links: LinksDep) -> schemas.CodeStateOut:
    return await links.confirm(caller.user_id, code_id)


@router.get("/links")
async def links(caller: UserCaller, links: LinksDep) -> Page[schemas.LinkOut]:
    """Return all links: a person has a few."""
    return Page(items=await links.links(caller.user_id))


@router.get("/links/bots")
async def bots(caller: UserCaller, bots: BotsDep) -> schemas.BotsOut:
    return schemas.BotsOut(connected=await bots.connected())


@router.delete("/links/{platform}/{platform_user_id}", status_code=204)
async def unlink(
    platform: Platform, platform_user_id: str, caller: RecentOrChatCaller, links: LinksDep
) -> None:
    """Unlink a chat: on the web with a recent password, in a chat only the own one."""
    if caller.platform is not None and (caller.platform, caller.platform_user_id) != (
        platform,
        platform_user_id,
    ):
        raise NotAllowed("unlinks_itself_only")
    await links.unlink(caller.user_id, platform, platform_user_id, from_chat=caller.chat_id)


@router.post("/users/me/reports", status_code=201)
async def report(
    body: schemas.ReportIn, caller: UserCaller, links: LinksDep, reader: ReaderDep
) -> schemas.ReportedOut:
    """Tell the admins that something does not work: in their chats, and in the audit log. Once an
    hour for the same thing."""
    if body.generation_id is None:
        return await links.report(caller.user_id, code=body.code or "other")
    made = await reader.owned(caller.user_id, body.generation_id)
    return await links.report(
        caller.user_id, code=made.error_reason or made.error_code or "other", short_id=made.short_id
    )


@router.post("/bot/links/redeem")
async def redeem(body: schemas.RedeemIn, bot: BotCaller, links: LinksDep) -> schemas.RedeemOut:
    return await links.redeem(bot.platform, body)


@router.post("/bot/links/answer")
async def answer(body: schemas.AnswerIn, bot: BotCaller, links: LinksDep) -> schemas.RedeemOut:
    return await links.answer(bot.platform, body)


@router.put("/bot/profile", status_code=204)
async def save_profile(body: schemas.BotProfileIn, bot: BotCaller, links: LinksDep) -> None:
    """Store a bot's own name and link, which it sends when it has connected."""
    await links.save_profile(bot.platform, body)
