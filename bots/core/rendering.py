"""Deliveries as replies, with their media: a chat gets real files."""

import asyncio
import io
from dataclasses import dataclass, replace
from typing import Literal

from PIL import Image

from bots.core import texts
from bots.core.cards import Buttons, closed_card, result_buttons
from bots.core.failure_buttons import of_failed
from bots.core.types import Button, Limits, Reply, ReplyFile
from client import calls
from client.bot import BotApi
from client.errors import ApiError
from client.schemas.deliveries import DeliveryOut, GenerationFailed, LinkIn, Notice
from client.schemas.generations import GenerationOut, MediaOut

NONCE_MAX = 25
SUFFIXES = {
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "image/webp": ".webp",
    "image/gif": ".gif",
    "image/avif": ".avif",
    "image/bmp": ".bmp",
    "video/mp4": ".mp4",
    "video/webm": ".webm",
    "video/x-matroska": ".mkv",
}
PHOTOS = {"image/png", "image/jpeg", "image/webp"}
"""Types that every chat shows as a picture; any other goes as a file."""
FIT_TRIES = 10
"""Tries in which a delivery waits for a smaller copy before its link has to do."""
THUMBNAIL_SIDE = 1024
"""Longest side of a thumbnail that is opened; the api makes smaller ones."""
POSTER_SIDE, POSTER_BYTES = 320, 200_000
"""The largest thumbnail that every platform takes."""

Kind = Literal["photo", "video", "document"]


@dataclass(frozen=True, slots=True)
class RenderedDelivery:
    """`reply` None: only the card is left to change. `card` takes the place of the waiting card, if
    there is one. `without_files` takes the place of a reply whose files the chat refuses for good.
    `media`: id and kind of each of the reply's files."""

    reply: Reply | None
    card: Reply | None = None
    without_files: Reply | None = None
    media: tuple[tuple[str, Kind], ...] = ()


async def render(delivery: DeliveryOut, api: BotApi, limits: Limits) -> RenderedDelivery:
    """The delivery in the spoken language. Raises `ApiError` when the media can't be had now."""
    event = delivery.event
    if isinstance(event, Notice):
        said = texts.notice(event.code, event.facts)
        return RenderedDelivery(_reply(delivery, limits, said, buttons=_of_notice(event)))
    made = event.generation
    card = closed_card(made)
    has_card = delivery.address.card_message_id is not None
    if delivery.shown or (made.status == "cancelled" and has_card):
        return RenderedDelivery(None, card)
    if isinstance(event, GenerationFailed):
        failed = _reply(delivery, limits, texts.not_made(made), buttons=of_failed(made))
        return RenderedDelivery(failed, card)
    words = f"{texts.caption(made)}\n{texts.not_sendable(made, api.public_url)}"
    plain = _reply(delivery, limits, words, buttons=result_buttons(made))
    try:
        completed = await _completed(delivery, made, api, limits)
        return replace(completed, card=card, without_files=plain)
    except ApiError as error:
        if error.status not in (404, 410):
            raise
        return RenderedDelivery(plain, card)


def _of_notice(event: Notice) -> Buttons:
    """The buttons under a notice: an admin answers whoever asks to join."""
    join_id = event.facts.get("id")
    if event.code != "join_asked" or join_id is None:
        return ()
    yes = Button(texts.join_approve(), "join_yes", join_id, "primary")
    return ((yes, Button(texts.join_decline(), "join_no", join_id)),)


def nonce_of(delivery_id: str) -> str:
    """The end of the id without its dashes: the random end of a UUIDv7 tells deliveries apart, its
    start is the time."""
    return delivery_id.replace("-", "")[-NONCE_MAX:]


def _reply(
    delivery: DeliveryOut,
    limits: Limits,
    text: str,
    files: tuple[ReplyFile, ...] = (),
    buttons: Buttons = (),
) -> Reply:
    lines = [text]
    if delivery.moved:
        lines.append(texts.moved())
    if delivery.maybe_shown and not limits.repeatable:
        lines.append(texts.maybe_second())
    text, nonce = "\n".join(lines), nonce_of(delivery.id)
    again = delivery.maybe_shown or delivery.attempt > 1
    return Reply(text, files=files, buttons=buttons, nonce=nonce, again=again, quiet=delivery.quiet)


async def _completed(
    delivery: DeliveryOut, made: GenerationOut, api: BotApi, limits: Limits
) -> RenderedDelivery:
    media = [*made.images, *([made.video] if made.video is not None else [])]
    copies = [await _fitting(one, delivery, api, limits) for one in media]
    fitting = [one for one in copies if one is not None]
    files = await asyncio.gather(
        *(
            _file(one, delivery, stem_of(made, place), api, limits)
            for place, one in enumerate(fitting, start=1)
        )
    )
    caption = texts.caption(made)
    if len(fitting) < len(media):
        caption = f"{caption}\n{await _linked(delivery, made, api)}"
    elif {one.id for one in fitting} != {one.id for one in media}:
        caption = f"{caption}\n{texts.smaller_copy(made, api.public_url)}"
    reply = _reply(delivery, limits, caption, tuple(files), result_buttons(made))
    kinds = tuple(
        (one.id, file.kind)
        for one, file in zip(fitting, files, strict=True)
        if file.kind != "voice"  # no result is one
    )
    return RenderedDelivery(reply, media=kinds)


async def _linked(delivery: DeliveryOut, made: GenerationOut, api: BotApi) -> str:
    """A sentence with a link that everybody can open, in place of a file that everybody in the chat
    would have seen."""
    share = await api.send(calls.link(delivery.id, LinkIn(lease=delivery.lease)))
    url = share.url or (f"{api.public_url}/shared/{share.token}" if api.public_url else None)
    if url is None:
        return texts.too_large_to_send(made, api.public_url)
    return texts.too_large_but_linked(made, url)


async def _fitting(
    media: MediaOut, delivery: DeliveryOut, api: BotApi, limits: Limits
) -> MediaOut | None:
    """The file, or a smaller copy that the chat takes. None: only a link is left."""
    if media.size <= limits.upload_bytes:
        return media
    if delivery.attempt > FIT_TRIES:
        return None
    try:
        smaller = await api.send(calls.fit(media.url, limits.upload_bytes))
    except ApiError as error:
        if error.code not in ("too_large", "unsupported_media"):
            raise
        return None
    return smaller if smaller.size <= limits.upload_bytes else None


async def _file(
    media: MediaOut, delivery: DeliveryOut, stem: str, api: BotApi, limits: Limits
) -> ReplyFile:
    file, poster = await asyncio.gather(file_of(media, stem, api, limits), _poster(media, api))
    known = (one.ref for one in delivery.refs if (one.media_id, one.kind) == (media.id, file.kind))
    return replace(
        file,
        thumbnail=poster,
        ref=next(known, None),
        spoiler=delivery.spoiler and not delivery.address.private,
    )


async def file_of(media: MediaOut, stem: str, api: BotApi, limits: Limits) -> ReplyFile:
    """The media as a file whose name begins with `stem`. Raises `ApiError`."""
    data = await api.download(calls.file(media.url), limits.upload_bytes)
    kind, name = kind_of(media, len(data), limits), stem + SUFFIXES.get(media.content_type, "")
    size = media.width, media.height
    return ReplyFile(kind, name, media.content_type, data, *size, media.duration)


def kind_of(media: MediaOut, size: int, limits: Limits) -> Kind:
    if media.content_type.startswith("video/"):
        return "video"
    return "photo" if media.content_type in PHOTOS and size <= limits.photo_bytes else "document"


def stem_of(made: GenerationOut, place: int) -> str:
    """The start of a file's name; `place` counts the files of a result from 1."""
    return f"{made.short_id}-{place}" if len(made.images) > 1 else made.short_id


async def _poster(media: MediaOut, api: BotApi) -> bytes | None:
    """A small JPEG of a video; None when there is none, which is no failure."""
    if media.thumbnail_url is None or not media.content_type.startswith("video/"):
        return None
    try:
        data = await api.download(calls.file(media.thumbnail_url), 1_000_000)
        made = await asyncio.to_thread(_small_jpeg, data)
    except (ApiError, OSError, Image.DecompressionBombError):
        return None
    return made if made is not None and len(made) <= POSTER_BYTES else None


def _small_jpeg(data: bytes) -> bytes | None:
    """Convert a thumbnail of the api. It was made from a file of anybody, so only that format is
    opened, and nothing larger."""
    with Image.open(io.BytesIO(data), formats=("WEBP",)) as image:
        if max(image.size) > THUMBNAIL_SIDE:
            return None
        image.thumbnail((POSTER_SIDE, POSTER_SIDE))
        small = io.BytesIO()
        image.convert("RGB").save(small, "JPEG", quality=80)
    return small.getvalue()
