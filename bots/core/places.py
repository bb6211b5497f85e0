"""The rules of a place that only its chat can hold: channels, topics and roles. The api holds those
that cost money."""

from bots.core import texts
from bots.core.types import Inbound, Place
from client.bot import BotApi
from client.schemas.places import PlaceSettings, SeenIn

FREE = frozenset({"help", "link", "privacy", "start", "studio"})
"""Commands that work in each channel and for each role."""


async def settings_of(api: BotApi, inbound: Inbound) -> PlaceSettings | None:
    """The settings of the place of an inbound; None in a private chat."""
    place = inbound.place
    return None if place is None else await api.place(seen(place, inbound.address.chat_id))


def seen(place: Place, chat_id: str) -> SeenIn:
    return SeenIn(
        platform_place_id=place.id,
        name=place.name[:120],
        chat_id=chat_id,
        chat_name=place.channel[:120],
    )


def refusal(inbound: Inbound, settings: PlaceSettings | None) -> str | None:
    """The sentence for a person who may not use the command here; None: it may be used."""
    command, place = inbound.command, inbound.place
    if place is None or settings is None:
        return None
    if command in FREE or command.startswith("studio_"):
        return None
    here = {one.id for one in settings.channels}
    if here and not here & set(place.channels):
        return texts.other_channels([one.name or one.id for one in settings.channels])
    wanted = {one.id for one in settings.roles}
    if wanted and not wanted & {role_id for role_id, _ in place.roles}:
        return texts.other_roles([one.name or one.id for one in settings.roles])
    return None
