"""Calls about places: groups, channels and servers with settings of their own."""

from client.call import Call, path, query
from client.schemas import Page
from client.schemas import places as schemas

# --- of bots


def see_place(seen: schemas.SeenIn) -> Call[schemas.PlaceOut]:
    """The settings of the place in which somebody speaks, which is known from then on."""
    return Call("POST", "/bot/places", schemas.PlaceOut, body=seen, harmless=True)


def change_place(change: schemas.ChatChangeIn) -> Call[schemas.PlaceOut]:
    """For an admin of the place, by the platform's word."""
    return Call("PUT", "/bot/places", schemas.PlaceOut, body=change)


def place_moved(moved: schemas.MovedIn) -> Call[None]:
    """The platform gave the place another id."""
    return Call("POST", "/bot/places/moved", body=moved, harmless=True)


# --- of admins


def places(*, cursor: str | None, limit: int) -> Call[Page[schemas.PlaceOut]]:
    asked = query(cursor=cursor, limit=limit)
    return Call("GET", "/admin/places", Page[schemas.PlaceOut], query=asked)


def place(place_id: str) -> Call[schemas.PlaceDetailOut]:
    return Call("GET", path("/admin/places/{}", place_id), schemas.PlaceDetailOut)


def set_place(place_id: str, change: schemas.PlaceIn) -> Call[schemas.PlaceOut]:
    return Call("PUT", path("/admin/places/{}", place_id), schemas.PlaceOut, body=change)


def forget_place(place_id: str) -> Call[None]:
    return Call("DELETE", path("/admin/places/{}", place_id))
