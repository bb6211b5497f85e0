"""Files of the form for text: pictures, and documents for the model to read."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import NamedTuple

from flask import request
from werkzeug.datastructures import FileStorage

from admin_web.forms.pictures import Attached, attached_before, upload_picture
from admin_web.sessions.caller import api
from admin_web.words.formats import document_size
from admin_web.words.language import _
from client import calls
from client.errors import ApiError

_PICTURE_NAME = re.compile(r"\.(png|jpe?g|webp|gif|heic|heif|avif|bmp|tiff?)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class AttachedDocument:
    id: str
    name: str


class ChosenFiles(NamedTuple):
    images: Sequence[Attached] = ()
    documents: Sequence[AttachedDocument] = ()


def chosen_files() -> ChosenFiles:
    """Return the files that the form already holds, then those chosen now. A bad file is an
    `ApiError`."""
    removed = set(request.form.getlist("remove"))
    names = request.form.getlist("document_name")
    held = zip_longest(request.form.getlist("document_id"), names, fillvalue="")
    before = [
        AttachedDocument(document_id, name or _("File"))
        for document_id, name in held
        if document_id and document_id not in removed
    ]
    new = uploaded_files()
    return ChosenFiles([*attached_before(), *new.images], [*before, *new.documents])


def uploaded_files() -> ChosenFiles:
    """Upload the files chosen now: each as a picture or a document, by what it is."""
    images: list[Attached] = []
    documents: list[AttachedDocument] = []
    for file in request.files.getlist("image"):
        if not file.filename:
            continue
        if _is_picture(file) or (document := _upload(file)) is None:
            images.append(upload_picture(file))
        else:
            documents.append(document)
    return ChosenFiles(images, documents)


def _is_picture(file: FileStorage) -> bool:
    return file.mimetype.startswith("image/") or bool(_PICTURE_NAME.search(file.filename or ""))


def _upload(file: FileStorage) -> AttachedDocument | None:
    """Upload a document; None when it is a picture, whatever its name says."""
    kind = file.mimetype or "application/octet-stream"
    try:
        made = api().send(calls.upload_document(file.filename or "", file.read(), kind))
    except ApiError as error:
        if error.problem is None or error.problem.reason != "document_is_picture":
            raise
        file.seek(0)
        return None
    return AttachedDocument(made.id, document_size(made))
