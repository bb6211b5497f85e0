"""The pictures that a form starts from: uploads, and earlier images of the person."""

from dataclasses import dataclass
from itertools import zip_longest

from flask import request, url_for
from werkzeug.datastructures import FileStorage

from admin_web.sessions.caller import api
from admin_web.words.language import _
from client import calls
from client.schemas.generations import GenerationOut, MediaOut

UPLOAD_TYPES = (
    "image/png,image/jpeg,image/webp,image/gif,image/heic,image/heif,image/avif,image/bmp,"
    "image/tiff,.heic,.heif,.avif"
)
"""With names, because few systems know a type for these three."""
PICK_FROM = 12


@dataclass(frozen=True, slots=True)
class Attached:
    """An input image: an upload of this form, or an earlier image with its thumbnail."""

    id: str
    name: str
    thumbnail_url: str | None = None

    @property
    def preview(self) -> str:
        """The owner may read a file without a signed link."""
        return self.thumbnail_url or url_for("media.serve", media_id=self.id)


def attached(field: str = "image") -> list[Attached]:
    """Return the images that the form already holds, then the files chosen now. A bad file is an
    `ApiError`. `field`: `image`, or `last` for the picture with which a video ends."""
    return attached_before(field) + uploaded(field)


def attached_before(field: str = "image") -> list[Attached]:
    """Return the images that the form already holds."""
    prefix = "last" if field == "last" else "attached"
    names = request.form.getlist(f"{prefix}_name")
    removed = set(request.form.getlist("remove"))
    held = zip_longest(request.form.getlist(f"{prefix}_id"), names, fillvalue="")
    return [
        Attached(image_id, name or _("Image"))
        for image_id, name in held
        if image_id and image_id not in removed
    ]


def uploaded(field: str = "image") -> list[Attached]:
    """Upload the files chosen now."""
    return [upload_picture(file) for file in request.files.getlist(field) if file.filename]


def upload_picture(file: FileStorage) -> Attached:
    kind = file.mimetype or "application/octet-stream"
    image = api().send(calls.upload(file.filename or "", file.read(), kind))
    return Attached(image.id, f"{file.filename} ({image.width} × {image.height})")


def earlier_images(limit: int = PICK_FROM) -> list[MediaOut]:
    """Return the person's latest finished images, to start from."""
    made = api().send(calls.generations(kind="image", status="completed", limit=limit)).items
    return [image for generation in made for image in generation.images][:limit]


def from_earlier(image_id: str) -> Attached:
    """An earlier image as an input, with its thumbnail where it is one of the latest."""
    for image in earlier_images():
        if image.id == image_id:
            return _earlier(image)
    return Attached(image_id, _("Earlier image"))


def began_with(generation: GenerationOut | None, frame: str | None = None) -> list[Attached]:
    """Return the images of an earlier request that are still there."""
    inputs = generation.inputs if generation is not None else []
    return [_earlier(one.image) for one in inputs if one.frame == frame and one.image is not None]


def _earlier(image: MediaOut) -> Attached:
    return Attached(image.id, _("Earlier image"), image.thumbnail_url or image.url)
