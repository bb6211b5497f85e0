"""`/bot/places`: places as a bot sees and changes them; `/admin/places`: for admins of the
server."""

from typing import Annotated

from fastapi import APIRouter, Query

from api.callers import AdminCaller, BotCaller
from api.deps import FromApp
from api.places import schemas
from api.places.service import PlaceService
from api.schemas import Page

router = APIRouter(tags=["places"])

PlacesDep = FromApp[PlaceService]


@router.post("/bot/places")
async def see_place(body: schemas.SeenIn, bot: BotCaller, places: PlacesDep) -> schemas.PlaceOut:
    """The settings of the place in which somebody speaks. It becomes known by this."""
    return await places.see(bot.platform, body)


@router.put("/bot/places")
async def change_place(
    body: schemas.ChatChangeIn, bot: BotCaller, places: PlacesDep
) -> schemas.PlaceOut:
    """Change settings for somebody who administers the place. The bot vouches for that, as its
    platform says it now."""
    return await places.change_in_chat(bot.platform, body)


@router.post("/bot/places/moved", status_code=204)
async def move_place(body: schemas.MovedIn, bot: BotCaller, places: PlacesDep) -> None:
    """The platform gave the place another id: it keeps its settings and its budget."""
    await places.moved(bot.platform, body)


@router.get("/admin/places", tags=["admin"])
async def list_places(
    places: PlacesDep,
    _admin: AdminCaller,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
) -> Page[schemas.PlaceOut]:
    """All places, those that became known last first."""
    return await places.page(cursor, limit)


@router.get("/admin/places/{place_id}", tags=["admin"])
async def read_place(
    place_id: str, places: PlacesDep, _admin: AdminCaller
) -> schemas.PlaceDetailOut:
    return await places.detail(place_id)


@router.put("/admin/places/{place_id}", tags=["admin"])
async def set_place(
    place_id: str, body: schemas.PlaceIn, places: PlacesDep, admin: AdminCaller
) -> schemas.PlaceOut:
    """Change the settings that are given, from the next request on."""
    return await places.change(place_id, body, actor_id=admin.user_id)


@router.delete("/admin/places/{place_id}", tags=["admin"], status_code=204)
async def forget_place(place_id: str, places: PlacesDep, admin: AdminCaller) -> None:
    """Forget a place and its settings. Amounts stay in the books."""
    await places.forget(place_id, actor_id=admin.user_id)
