"""Recordings that people send: written down, so that they are answered as if they were typed."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from bots.core import texts
from bots.core.commands.command import Command, Context, Replies
from bots.core.options import Mistake
from bots.core.types import Attachment, Inbound, Reply, ReplyFile
from client import calls
from client.schemas import PROMPT_MAX
from client.schemas.sound import RECORDING_SECONDS
from client.words.language import N_

MOST = 5
AS_TEXT = 1_500
"""Characters up to which a transcript is a message; a longer one is a file."""
_NAME = re.compile(r"\.(ogg|oga|opus|mp3|wav|flac|m4a|aac|amr|aiff?|weba)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Heard:
    """The words of recordings, and their cost. `answered`: they were in the message that was
    answered."""

    text: str
    cost: Decimal
    answered: bool = False

    @property
    def price(self) -> str:
        return texts.money(self.cost) if self.cost else ""

    def into(self, inbound: Inbound) -> Inbound:
        """The inbound with the words in the place of the recordings."""
        if not self.answered:
            said = "\n\n".join(filter(None, [inbound.text, self.text]))
            return replace(inbound, text=said, attachments=_others(inbound.attachments))
        quoted = inbound.quoted
        assert quoted is not None
        said = "\n\n".join(filter(None, [quoted.text, self.text]))
        quoted = replace(quoted, text=said, attachments=_others(quoted.attachments))
        return replace(inbound, quoted=quoted)


def recordings(inbound: Inbound, *, videos: bool = False) -> tuple[Attachment, ...]:
    """The recordings that are meant: sent along, or in the answered message of somebody else.
    `videos`: any video counts as well."""
    found = _recordings(inbound.attachments, videos)
    quoted = inbound.quoted
    if found or quoted is None or quoted.mine or inbound.attachments:
        return found
    return _recordings(quoted.attachments, videos)


def _recordings(files: Sequence[Attachment], videos: bool) -> tuple[Attachment, ...]:
    return tuple(
        one
        for one in files
        if _is_recording(one) or (videos and one.content_type.lower().startswith("video/"))
    )


def _is_recording(file: Attachment) -> bool:
    sound = file.content_type.lower().startswith("audio/")
    return file.spoken or sound or _NAME.search(file.name) is not None


def _others(files: Sequence[Attachment]) -> tuple[Attachment, ...]:
    return tuple(one for one in files if not _is_recording(one))


async def transcribed(inbound: Inbound, files: Sequence[Attachment], context: Context) -> Heard:
    """Raises `Mistake` for a recording that is too large, before it is fetched."""
    if any(
        one.size > texts.RECORDING_MB * 1_000_000 or (one.seconds or 0) > RECORDING_SECONDS
        for one in files
    ):
        raise Mistake(texts.recording_too_large())
    said, cost = list[str](), Decimal(0)
    for one in files[:MOST]:
        key = context.user.upload_key()
        call = calls.transcribe(one.name, await one.read(), one.content_type, key)
        found = await context.user.send(call)
        said.append(found.text)
        cost += found.cost_usd
    text = "\n\n".join(filter(None, said))
    return Heard(text, cost, answered=not any(one in inbound.attachments for one in files))


def unanswerable(heard: Heard) -> Reply | None:
    """The reply to recordings that are no question: without words, or with too many."""
    if not heard.text:
        return Reply(texts.heard_nothing(heard.price))
    if not heard.answered and len(heard.text) > PROMPT_MAX:
        return Reply(texts.heard_too_much(PROMPT_MAX), files=(_file(heard.text),))
    return None


def _file(text: str) -> ReplyFile:
    return ReplyFile("document", "transcript.txt", "text/plain", text.encode())


async def _transcribe(inbound: Inbound, context: Context) -> Replies:
    files = recordings(inbound, videos=True)
    if not files:
        raise Mistake(texts.transcribe_what())
    yield Reply(texts.listening(), preview=True)
    heard = await transcribed(inbound, files, context)
    if not heard.text:
        yield Reply(texts.heard_nothing(heard.price))
    elif len(heard.text) > AS_TEXT:
        yield Reply(texts.transcript_as_file(heard.price), files=(_file(heard.text),))
    else:
        yield Reply("\n\n".join(filter(None, [heard.text, heard.price])))


TRANSCRIBE = Command(
    "transcribe",
    N_("Write down a voice message or a recording"),
    _transcribe,
    slow=True,
    on_message=N_("Transcribe"),
)
