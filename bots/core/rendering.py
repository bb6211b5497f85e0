"""What the api has to tell a chat, as a reply. Fetches the media, for a chat gets real files."""

from dataclasses import dataclass
from typing import Literal

from api.deliveries.schemas import DeliveryOut, GenerationCompleted, GenerationFailed, Notice
from api.generations.schemas import GenerationOut, MediaOut
from bots.core import texts
from bots.core.api import BotApi
from bots.core.types import File, Limits, Reply

NONCE_MAX = 25
SUFFIXES = {
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "image/webp": ".webp",
    "image/gif": ".gif",
    "video/mp4": ".mp4",
    "video/webm": ".webm",
}


@dataclass(frozen=True, slots=True)
class Told:
    """`card` is what the waiting card becomes, if there is one. `only_card`: with a card to change, no message of its own is needed.

    `without_files` is what to say when the chat refuses the files for good.
    """

    reply: Reply
    card: Reply | None = None
    without_files: Reply | None = None
    only_card: bool = False


async def render(delivery: DeliveryOut, api: BotApi, limits: Limits) -> Told:
    """Raises `ApiError` when the media can't be had."""
    nonce = nonce_of(delivery.id)
    event = delivery.event
    if isinstance(event, Notice):
        return Told(Reply(texts.notice(event.code, event.facts), nonce=nonce))
    card = Reply(texts.card_closed(event.generation))
    if isinstance(event, GenerationFailed):
        return Told(Reply(texts.not_made(event.generation), nonce=nonce), card, only_card=event.generation.status == "cancelled")
    plain = Reply(f"{texts.caption(event.generation)}\n{texts.not_sendable(event.generation, api.public_url)}", nonce=nonce)
    return Told(await _completed(event, api, limits, nonce), card, without_files=plain)


def nonce_of(delivery_id: str) -> str:
    """The id without its dashes, cut: the random end of a UUIDv7 tells deliveries apart, its start is the time."""
    return delivery_id.replace("-", "")[-NONCE_MAX:]


async def _completed(event: GenerationCompleted, api: BotApi, limits: Limits, nonce: str) -> Reply:
    made = event.generation
    media = [*made.images, *([made.video] if made.video is not None else [])]
    fitting = [one for one in media if one.size <= limits.upload_bytes]
    files = [await _file(one, made, place, api, limits) for place, one in enumerate(fitting, start=1)]
    caption = texts.caption(made)
    if len(fitting) < len(media):
        caption = f"{caption}\n{texts.too_large_to_send(made, api.public_url)}"
    return Reply(caption, files=tuple(files), nonce=nonce)


async def _file(media: MediaOut, made: GenerationOut, place: int, api: BotApi, limits: Limits) -> File:
    data = await api.media(media.url, limits.upload_bytes)
    many = f"-{place}" if len(made.images) > 1 else ""
    suffix = SUFFIXES.get(media.content_type, "")
    return File(
        kind=_kind(media, len(data), limits),
        name=f"{made.short_id}{many}{suffix}",
        content_type=media.content_type,
        data=data,
        width=media.width,
        height=media.height,
        duration=media.duration,
    )


def _kind(media: MediaOut, size: int, limits: Limits) -> Literal["photo", "video", "document"]:
    if media.content_type.startswith("video/"):
        return "video"
    return "photo" if media.content_type.startswith("image/") and size <= limits.photo_bytes else "document"
