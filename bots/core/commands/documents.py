"""Documents that come with a question, or with the message that it answers."""

import re
from dataclasses import replace

from bots.core import texts
from bots.core.commands.command import Context
from bots.core.options import Mistake, Option
from bots.core.types import Attachment, Inbound
from client import calls
from client.errors import ApiError
from client.schemas.text import DOCUMENTS_MAX
from client.words.language import N_

SCAN = Option(
    "scan",
    N_("Read a PDF of scanned pages, for a small price a page"),
    ("scan",),
    type="switch",
)
BYTES_MAX = 20_000_000
_PICTURE_NAME = re.compile(r"\.(png|jpe?g|webp|gif|heic|heif|avif|bmp|tiff?)$", re.IGNORECASE)
_SOUND_AND_VIDEO = ("audio/", "video/")


async def with_documents(inbound: Inbound, context: Context) -> tuple[Inbound, tuple[str, ...]]:
    """Upload the documents, and return the inbound without them, and their ids. Pictures, sound and
    videos stay. Raises `ApiError` and `Mistake` for files that cannot be read."""
    documents: list[str] = []
    rest = [one for one in inbound.attachments if not await _taken(one, context, documents)]
    inbound = replace(inbound, attachments=tuple(rest))
    quoted = inbound.quoted
    if quoted is None or quoted.mine or documents or not quoted.attachments:
        return inbound, tuple(documents)
    others = []
    for one in quoted.attachments:
        try:
            if not await _taken(one, context, documents):
                others.append(one)
        except (ApiError, Mistake) as error:
            # beside words the file may not be what is meant
            if not quoted.text or _is_trouble(error):
                raise
    quoted = replace(quoted, attachments=tuple(others))
    return replace(inbound, quoted=quoted), tuple(documents)


async def _taken(file: Attachment, context: Context, documents: list[str]) -> bool:
    """Add the file's id to `documents`; False for a picture, sound or a video."""
    kind = file.content_type.lower()
    is_picture = kind.startswith("image/") or _PICTURE_NAME.search(file.name) is not None
    if is_picture or kind.startswith(_SOUND_AND_VIDEO):
        return False
    if len(documents) == DOCUMENTS_MAX:
        raise Mistake(texts.documents_too_many(DOCUMENTS_MAX))
    if file.size > BYTES_MAX:
        raise Mistake(texts.document_too_large(BYTES_MAX // 1_000_000))
    data, key = await file.read(), context.user.upload_key()
    try:
        sent = calls.upload_document(file.name, data, file.content_type, key)
        documents.append((await context.user.send(sent)).id)
    except ApiError as error:
        if error.problem is not None and error.problem.reason == "document_is_picture":
            return False
        raise
    return True


def _is_trouble(error: ApiError | Mistake) -> bool:
    """Tell whether the error says nothing about the file."""
    return isinstance(error, ApiError) and error.code not in ("unsupported_media", "too_large")
