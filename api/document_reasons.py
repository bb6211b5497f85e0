"""The closed reasons for which a document is refused, and the English sentence of each."""

from typing import Any, Literal

DocumentTooLarge = Literal["document_pages", "document_too_long", "document_unpacks"]
DocumentUnread = Literal[
    "document_damaged",
    "document_empty",
    "document_is_picture",
    "document_kind",
    "document_locked",
    "document_not_text",
]
DocumentInvalid = Literal["document_scanned"]

SENTENCES: dict[Any, str] = {
    "document_pages": "This PDF has %(pages)s pages; %(most)s are the most that I take.",
    "document_too_long": (
        "This file holds more than %(most)s characters of text, the most that I take."
    ),
    "document_unpacks": "This file would unpack to more than %(megabytes)s MB.",
    "document_damaged": "This %(format)s file is damaged: it cannot be opened.",
    "document_empty": "There is nothing to read in this file.",
    "document_is_picture": "This file is a picture.",
    "document_kind": (
        "I read PDF, DOCX, CSV, text and code. This file is something else: %(format)s."
    ),
    "document_locked": "This file is locked with a password. Send it without one.",
    "document_not_text": "This is no text: I read PDF, DOCX, CSV, text and code.",
    "document_scanned": (
        "The pages of “%(name)s” are pictures without text. Have them read as a scan, which costs "
        "%(cost_usd)s more, or choose a model that takes PDF files."
    ),
}
