"""`/bot/joins`: people in chats ask to be let in, and admins decide there; `/admin/joins`: on the
web."""

from fastapi import APIRouter

from api.callers import AdminCaller, BotCaller, UserCaller
from api.deps import FromApp
from api.joins import schemas
from api.joins.service import JoinService

router = APIRouter(tags=["joins"])

JoinsDep = FromApp[JoinService]


@router.post("/bot/joins")
async def ask_to_join(body: schemas.JoinIn, bot: BotCaller, joins: JoinsDep) -> schemas.JoinedOut:
    """Ask the admins to let somebody in. One request a person waits at a time."""
    return await joins.ask(bot.platform, body)


@router.post("/bot/joins/{join_id}", status_code=204)
async def decide_in_chat(
    join_id: str, body: schemas.DecisionIn, caller: UserCaller, joins: JoinsDep
) -> None:
    """Decide a request in a private chat that an admin has linked."""
    await joins.decide_in_chat(caller, join_id, approve=body.approve)


@router.get("/admin/joins", tags=["admin"])
async def list_joins(joins: JoinsDep, _admin: AdminCaller) -> schemas.JoinsOut:
    return await joins.shown()


@router.post("/admin/joins/{join_id}", tags=["admin"], status_code=204)
async def decide(
    join_id: str, body: schemas.DecisionIn, joins: JoinsDep, admin: AdminCaller
) -> None:
    """Approve or decline a request, once: the person gets a guest's account, or none."""
    await joins.decide(join_id, approve=body.approve, actor_id=admin.user_id)
