"""The picture or earlier result that a person means: named in the text, sent along, or in the
message that they answered."""

import re
from contextlib import suppress
from dataclasses import dataclass

from bots.core import texts
from bots.core.commands.command import Context
from bots.core.options import Mistake
from bots.core.types import Attachment, Inbound
from client import calls
from client.errors import ApiError
from client.schemas.generations import GenerationOut

UPLOAD_BYTES = 20 * 1024 * 1024
MOST = 16
_UUID = r"[0-9a-f]{8}-[0-9a-f-]{27}"
_PLACE = r"(?:/(?P<{}>\d{{1,2}}))?"
_REFERENCE = re.compile(
    rf"\s*(?:#?(?P<id>{_UUID}){_PLACE.format('place')}|#(?P<short>[a-z0-9]{{7}}){_PLACE.format('number')}|@(?P<image>{_UUID}))(?:\s+|$)"
)
"""References that buttons and forms carry before the text: a generation's id or short id, perhaps
with one of its pictures behind, such as `/2`; an uploaded image's id."""
_PICTURE_NAME = re.compile(r"\.(png|jpe?g|webp|gif|heic|heif|avif|bmp|tiff?)$", re.IGNORECASE)
_SHORT = re.compile(r"#([a-z0-9]{7})\b")


@dataclass(frozen=True, slots=True)
class LeadingReference:
    """The reference at the start of a text, and the text behind it: a generation's id or short id,
    or an image's id. `place` is one of its pictures, 0 for all together, None when it is not
    said."""

    generation_id: str | None
    image_id: str | None
    text: str
    place: int | None = None


@dataclass(frozen=True, slots=True)
class ImageSource:
    """`images` are ids of the API. `made` is the earlier result that they come from, `place` the
    one of its pictures that is meant."""

    images: tuple[str, ...]
    made: GenerationOut | None = None
    place: int | None = None

    @property
    def reference(self) -> str:
        """The reference to it for a button or a form."""
        if self.made is not None:
            return self.made.id if self.place is None else f"{self.made.id}/{self.place}"
        return f"@{self.images[0]}"


def named(text: str) -> LeadingReference:
    found = _REFERENCE.match(text)
    if found is None:
        return LeadingReference(None, None, text.strip())
    place = found["place"] or found["number"]
    rest, number = text[found.end() :].strip(), None if place is None else int(place)
    return LeadingReference(found["id"] or found["short"], found["image"], rest, number)


def quoted_result(inbound: Inbound) -> str | None:
    """The short id of the result that this message answers."""
    quoted = inbound.quoted
    found = _SHORT.search(quoted.text) if quoted is not None and quoted.mine else None
    return found[1] if found is not None else None


async def source(inbound: Inbound, context: Context) -> tuple[ImageSource | None, str]:
    """The source that the person means, and the text without its reference. Raises `Mistake` for
    files that are no images, `ApiError` `not_found`."""
    first = named(inbound.text)
    if first.generation_id is not None:
        made = await context.user.send(calls.generation(first.generation_id))
        return of_result(made, first.place), first.text
    if first.image_id is not None:
        return ImageSource((first.image_id,)), first.text
    if inbound.attachments:
        return ImageSource(await uploaded(inbound.attachments, context)), first.text
    return await _quoted(inbound, context), first.text


async def uploaded(attachments: tuple[Attachment, ...], context: Context) -> tuple[str, ...]:
    """Upload the images and return their ids."""
    return tuple([await _upload(one, context) for one in attachments[:MOST]])


async def _quoted(inbound: Inbound, context: Context) -> ImageSource | None:
    short = quoted_result(inbound)
    if short is not None:
        try:
            return of_result(await context.user.send(calls.generation(short)))
        except ApiError as error:
            if error.code != "not_found":
                raise
    found = []
    for one in () if inbound.quoted is None else inbound.quoted.attachments[:MOST]:
        with suppress(Mistake):  # that file is no picture, and nobody said that it is one
            found.append(await _upload(one, context))
    # somebody else's result, or any other picture in the chat: whoever can see it can send it
    return ImageSource(tuple(found)) if found else None


def of_result(made: GenerationOut, place: int | None = None) -> ImageSource:
    """The pictures of a result, or the one at that place, counted from 1. Raises `Mistake`."""
    if made.status != "completed":
        raise Mistake(texts.not_ready(made))
    images = tuple(one.id for one in made.images)
    if not place:
        return ImageSource(images, made)
    if place > len(images):
        raise Mistake(texts.no_such_picture(made, len(images)))
    return ImageSource((images[place - 1],), made, place)


async def _upload(file: Attachment, context: Context) -> str:
    """Upload a file, whatever its declared type: phones and programs send pictures as anything, and
    the API looks at the bytes. Raises `Mistake` for a file that is no picture and was not said to
    be one."""
    declared = file.content_type.lower()
    if declared.startswith(("audio/", "video/")) and not _PICTURE_NAME.search(file.name):
        raise Mistake(texts.no_image_attached())
    if file.size > UPLOAD_BYTES:
        raise ApiError("too_large", file.name)
    try:
        key = context.user.upload_key()
        sent = calls.upload(file.name, await file.read(), file.content_type, key)
        return (await context.user.send(sent)).id
    except ApiError as error:
        if error.code != "unsupported_media" or declared.startswith("image/"):
            raise
        raise Mistake(texts.no_image_attached()) from error
