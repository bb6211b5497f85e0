"""`/bot/processes`, `/bot/turns` and `/bot/updates`: the work that processes of one bot share."""

from fastapi import APIRouter

from api.bots import schemas
from api.bots.service import BotProcesses, BotUpdates
from api.callers import BotCaller
from api.deps import FromApp

router = APIRouter(prefix="/bot", tags=["bots"])

ProcessesDep = FromApp[BotProcesses]
UpdatesDep = FromApp[BotUpdates]


@router.post("/processes/beat")
async def beat(body: schemas.BeatIn, bot: BotCaller, processes: ProcessesDep) -> schemas.BeatOut:
    """Say that the process is there, and hold or take leases: of several processes, one has each.
    It ends `seconds` after the last call."""
    return await processes.beat(bot.platform, body)


@router.post("/processes/leave", status_code=204)
async def leave(body: schemas.LeaveIn, bot: BotCaller, processes: ProcessesDep) -> None:
    """End the process's presence: its leases and its updates are free at once."""
    await processes.leave(bot.platform, body.process)


@router.post("/turns")
async def turn(body: schemas.TurnIn, bot: BotCaller, processes: ProcessesDep) -> schemas.TurnOut:
    """Take a turn that only one process has within `seconds`."""
    return await processes.turn(bot.platform, body)


@router.post("/updates/keep")
async def keep(body: schemas.KeepIn, bot: BotCaller, updates: UpdatesDep) -> schemas.KeptOut:
    """Keep updates until they are answered. Of those that were kept before, only the caller's own
    are in the answer."""
    return await updates.keep(bot.platform, body)


@router.post("/updates/claim")
async def claim(
    body: schemas.ClaimIn, bot: BotCaller, updates: UpdatesDep
) -> list[schemas.UpdateOut]:
    """Take over what processes left that are gone, and return all updates of this one."""
    return await updates.claim(bot.platform, body)


@router.post("/updates/shown", status_code=204)
async def shown(body: schemas.ShownIn, bot: BotCaller, updates: UpdatesDep) -> None:
    """Note the messages of an update's answer, so that another process can go on with them."""
    await updates.shown(bot.platform, body)


@router.post("/updates/done", status_code=204)
async def done(body: schemas.DoneIn, bot: BotCaller, updates: UpdatesDep) -> None:
    """Forget updates that are answered. Their ids are remembered for a day or two."""
    await updates.done(bot.platform, body)
