"""Telegram's refusals: lengths in UTF-16 units, keyboards, entities, files. Each check returns the
value that would be kept."""

import json
from typing import Any

from tests.fakes.telegram_world import Refused, Upload, picture_size

TEXT_UNITS = 4096
CAPTION_UNITS = 1024
FIELD_UNITS = 64
PHOTO_BYTES = 10_000_000
UPLOAD_BYTES = 50_000_000
ENTITIES = {
    *(
        "bold",
        "italic",
        "underline",
        "strikethrough",
        "spoiler",
        "code",
        "pre",
        "text_link",
        "blockquote",
        "expandable_blockquote",
    ),
    *("mention", "bot_command", "url", "hashtag", "text_mention"),
}
STRUCTURED = {
    "allowed_updates",
    "caption_entities",
    "commands",
    "entities",
    "link_preview_options",
    "media",
    "reply_markup",
    "reply_parameters",
    "scope",
}


class Params:
    """The parameters of one call, already parsed out of a form or JSON, with the uploaded parts
    beside them. `known`: files from before."""

    def __init__(
        self,
        values: dict[str, Any],
        files: dict[str, Upload],
        known: dict[str, Upload] | None = None,
    ) -> None:
        self.known = known or {}
        self.values = {name: self._structured(name, value) for name, value in values.items()}
        self.files = files

    @staticmethod
    def _structured(name: str, value: Any) -> Any:
        if name not in STRUCTURED or not isinstance(value, str):
            return value
        try:
            return json.loads(value)
        except ValueError:
            raise Refused(
                400, f"Bad Request: can't parse {name.replace('_', ' ')} JSON object"
            ) from None

    def number(self, name: str, default: int | None = None) -> int:
        value = self.values.get(name, default)
        if value is None:
            raise Refused(400, f"Bad Request: parameter {name} is required")
        try:
            return int(value)
        except ValueError:
            raise Refused(400, f"Bad Request: {name} must be a number") from None

    def thread(self) -> int | None:
        return self.number("message_thread_id") if "message_thread_id" in self.values else None

    def flag(self, name: str) -> bool:
        return str(self.values.get(name, "false")).lower() == "true"

    def plain(self, name: str) -> str:
        return str(self.values.get(name, ""))

    def text(self) -> str:
        text = self.plain("text").strip()
        if not text:
            raise Refused(400, "Bad Request: message text is empty")
        if units(text) > TEXT_UNITS:
            raise Refused(400, "Bad Request: message is too long")
        self._no_markup(self.values)
        check_entities(self.values.get("entities") or [], text)
        return text

    def caption(self, given: dict[str, Any] | None = None) -> str:
        values = self.values if given is None else given
        caption = str(values.get("caption", "")).strip()
        if units(caption) > CAPTION_UNITS:
            raise Refused(400, "Bad Request: message caption is too long")
        self._no_markup(values)
        check_entities(values.get("caption_entities") or [], caption)
        return caption

    @staticmethod
    def _no_markup(values: dict[str, Any]) -> None:
        if values.get("parse_mode"):
            # the fake reads no markup, so it must not let a broken one pass
            raise Refused(
                400, "Bad Request: can't parse entities: this fake takes none but computed entities"
            )

    def keyboard(self) -> list[list[dict[str, Any]]]:
        markup = self.values.get("reply_markup")
        if markup is None or (isinstance(markup, dict) and markup.get("force_reply")):
            return []
        rows = markup.get("inline_keyboard") if isinstance(markup, dict) else None
        if not isinstance(rows, list):
            raise Refused(400, "Bad Request: object expected as reply markup")
        if sum(map(len, rows)) > 100 or any(len(row) > 8 for row in rows):
            raise Refused(400, "Bad Request: reply markup is too long")
        for button in (button for row in rows for button in row):
            check_button(button)
        return [row for row in rows if row]

    def asks(self) -> dict[str, Any] | None:
        """The field for an answer that the message opens."""
        markup = self.values.get("reply_markup")
        if not isinstance(markup, dict) or not markup.get("force_reply"):
            return None
        if units(str(markup.get("input_field_placeholder", ""))) > FIELD_UNITS:
            raise Refused(400, "Bad Request: REPLY_MARKUP_PLACEHOLDER_TOO_LONG")
        return markup

    def upload(self, value: Any, kind: str) -> Upload:
        """The file that a parameter or a media item names: its part, `attach://part`, or the id of
        a file that is known as that kind."""
        name = value.removeprefix("attach://") if isinstance(value, str) else ""
        upload = self.files.get(name) or self.known.get(name)
        if upload is None:
            raise Refused(
                400, "Bad Request: wrong remote file identifier specified: Wrong string length"
            )
        if upload.id and upload.kind != kind:
            raise Refused(400, "Bad Request: type of file mismatch")
        if not upload.data:
            raise Refused(400, "Bad Request: file must be non-empty")
        if len(upload.data) > UPLOAD_BYTES:
            raise Refused(413, "Request Entity Too Large")
        return upload

    def named_upload(self, name: str) -> Upload:
        return self.upload(name if name in self.files else self.values.get(name), name)

    def thumbnail(self, given: dict[str, Any] | None = None) -> Upload | None:
        """A thumbnail that Telegram would use; any other is silently left out."""
        value = (self.values if given is None else given).get("thumbnail")
        name = (
            "thumbnail"
            if given is None and "thumbnail" in self.files
            else str(value or "").removeprefix("attach://")
        )
        upload = self.files.get(name)
        if upload is None or len(upload.data) > 200_000 or not upload.data.startswith(b"\xff\xd8"):
            return None
        size = picture_size(upload.data)
        return upload if size is not None and max(size) <= 320 else None


def units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def check_button(button: dict[str, Any]) -> None:
    if not str(button.get("text", "")).strip():
        raise Refused(400, "Bad Request: inline keyboard button text is empty")
    data = button.get("callback_data")
    if data is None and not button.get("url"):
        raise Refused(400, "Bad Request: text buttons are unallowed in the inline keyboard")
    if data is not None and not 1 <= len(str(data).encode()) <= 64:
        raise Refused(400, "Bad Request: BUTTON_DATA_INVALID")


def check_entities(entities: list[dict[str, Any]], text: str) -> None:
    encoded = text.encode("utf-16-le")
    for entity in entities:
        start, length = entity.get("offset"), entity.get("length")
        if (
            not isinstance(start, int)
            or not isinstance(length, int)
            or entity.get("type") not in ENTITIES
        ):
            raise Refused(400, "Bad Request: can't parse MessageEntity: invalid type or bounds")
        if start < 0 or length <= 0 or start + length > units(text):
            raise Refused(
                400,
                f"Bad Request: entity beginning at UTF-16 offset {start} ends after the end of "
                "the text",
            )
        if any(
            0xDC <= encoded[2 * place + 1] <= 0xDF
            for place in (start, start + length)
            if place < units(text)
        ):
            raise Refused(
                400,
                f"Bad Request: entity begins in a middle of a UTF-16 symbol at byte offset {start}",
            )
        if entity["type"] == "text_link" and not str(entity.get("url", "")).startswith(
            ("http://", "https://", "tg://")
        ):
            raise Refused(400, "Bad Request: can't parse entities: wrong HTTP URL")


def check_photo(upload: Upload) -> tuple[int, int]:
    if len(upload.data) > PHOTO_BYTES:
        raise Refused(400, "Bad Request: file is too big for a photo")
    size = picture_size(upload.data)
    if size is None:
        raise Refused(400, "Bad Request: IMAGE_PROCESS_FAILED")
    if sum(size) > 10_000 or max(size) > 20 * min(size):
        raise Refused(400, "Bad Request: PHOTO_INVALID_DIMENSIONS")
    return size
