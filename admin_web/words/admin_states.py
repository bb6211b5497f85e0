"""Words of the admin pages: states of jobs, models, deliveries, bots and checks. The templates know
this module as `words`."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache

from babel import Locale
from babel.dates import format_date
from babel.numbers import format_decimal

from admin_web.words import errors
from admin_web.words.formats import ago, moment
from admin_web.words.language import _, chosen, locale
from client.schemas import CheckOut
from client.schemas.admin import BotOut, BroadcastOut
from client.schemas.bots import BotProcessOut
from client.schemas.catalog import AdminModelOut
from client.schemas.deliveries import DeliveryRowOut
from client.schemas.generations import AdminGenerationOut
from client.schemas.users import Role
from client.words.language import N_

STATUSES = {
    "queued": N_("In line"),
    "processing": N_("Being made"),
    "review": N_("Needs a decision"),
    "completed": N_("Ready"),
    "failed": N_("Failed"),
    "cancelled": N_("Cancelled"),
}
SOURCES = errors.SOURCES
KINDS = {
    "image": N_("Image"),
    "video": N_("Video"),
    "text": N_("Text"),
    "transcription": N_("Transcription"),
    "speech": N_("Speech"),
}
MODES = {
    "text_to_image": N_("Image from words"),
    "image_to_image": N_("Image from an image"),
    "text_to_video": N_("Video from words"),
    "image_to_video": N_("Video from an image"),
}
PHASES = {
    "submit": N_("waits for its turn"),
    "submitting": N_("is being handed to the provider"),
    "submit_unknown": N_("handed over, but the provider's answer was lost"),
    "poll": N_("the provider works on it"),
    "fetch": N_("the result is being copied"),
    "needs_review": N_("waits for a person"),
    "done": N_("over"),
}
ZERO = Decimal(0)
_SHARD = re.compile(r"shard-(\d+)-of-(\d+)")
_UNITS = ("Byte", "kB", "MB", "GB", "TB")
TONES = {
    "good": {"completed", "done", "sent"},
    "bad": {"failed", "dead"},
    "busy": {"processing", "pending", "sending"},
    "warn": {"review", "troubled", "inbox", "stopped"},
}
"""The states of jobs, deliveries and broadcasts by their colour; any other has none."""


@dataclass(frozen=True, slots=True)
class State:
    """The state of a thing on an admin page. `tone` is its colour: good, bad, busy, warn or
    nothing."""

    key: str
    words: str
    tone: str


def _coloured(words: dict[str, str], key: str) -> State:
    tone = next((tone for tone, keys in TONES.items() if key in keys), "")
    return State(key, in_list(words, key), tone)


def state_of(job: AdminGenerationOut) -> State:
    key = "review" if job.phase == "needs_review" else job.status
    return _coloured(STATUSES, key)


def phase_words(phase: str) -> str:
    """A phase that came later than these words is shown by its name."""
    return in_list(PHASES, phase)


def money_words(job: AdminGenerationOut) -> str:
    """Say what became of the money that was set aside."""
    if job.phase != "done":
        return _("held until it is over")
    if job.refunded and job.status == "failed":
        return _("booked, but not for its person: it failed")
    if job.refunded:
        return _("booked, and given back by an admin")
    if not job.cost_usd:
        return _("given back")
    return _("booked")


def in_list(words: dict[str, str], key: str) -> str:
    return _(words[key]) if key in words else key


def named(words: dict[str, str], keys: Sequence[str] = ()) -> list[tuple[str, str]]:
    """Return (key, words) each, of all or of some keys, for a select or for tabs."""
    return [(key, _(words[key])) for key in keys or words]


# --- models

PRICE_OF = {
    "image": N_("Your own price for one image, in dollars"),
    "video": N_("Your own price for a second of video, in dollars"),
    "text": N_("Your own price for one answer, in dollars"),
    "transcription": N_("Your own price for a minute of a recording, in dollars"),
    "speech": N_("Your own price for 1,000 characters read aloud, in dollars"),
}
CAPABILITIES = {
    "sizes": N_("Sizes"),
    "aspect_ratios": N_("Aspect ratios"),
    "image_sizes": N_("Image sizes"),
    "qualities": N_("Qualities"),
    "resolutions": N_("Resolutions"),
    "durations": N_("Lengths in seconds"),
    "frame_images": N_("Starts or ends with an image"),
    "generate_audio": N_("Makes sound"),
    "seed": N_("Takes a seed"),
    "max_n": N_("Images at once"),
    "max_input_images": N_("Input images"),
    "context_length": N_("Context in tokens"),
    "voices": N_("Voices"),
    "max_output_tokens": N_("Answer in tokens"),
    "documents": N_("Reads documents"),
    "web_search": N_("Searches the web"),
    "efforts": N_("Efforts of thinking"),
}


def standing(model: AdminModelOut) -> State:
    if model.vanished:
        return State("vanished", _("Not listed any more"), "bad")
    if not model.enabled:
        return State("off", _("Switched off"), "")
    if not model.price_known:
        return State("price", _("Needs a price"), "warn")
    return State("on", _("Offered"), "good")


def audience(roles: list[Role] | None) -> str:
    if roles is None or len(roles) > 1:
        return _("Everybody")
    return _("Admins") if roles == ["admin"] else _("Users")


def capabilities(model: AdminModelOut) -> list[tuple[str, str]]:
    """Return (name, value) of each capability that the model has."""
    return [
        (in_list(CAPABILITIES, name).replace("_", " "), _offered(value))
        for name, value in model.capabilities.model_dump().items()
        if value
    ]


def _offered(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    return _("yes") if value is True else str(value)


# --- budgets

SCOPES = {
    "users": N_("All users together"),
    "admins": N_("All admins together"),
    "guests": N_("All guests together"),
    "global": N_("The whole studio"),
}


def part(spent: Decimal, limit: Decimal) -> str:
    """Return the spent part of a limit in percent, rounded down: 100 % means that all is spent."""
    if limit == 0:
        return "–" if spent <= 0 else "100 %"
    return f"{int(100 * spent / limit)} %"


# --- deliveries, bots, health

DELIVERY_STATES = {
    "troubled": N_("In trouble"),
    "pending": N_("On its way"),
    "done": N_("Arrived"),
    "dead": N_("Reached nobody"),
    "inbox": N_("On the web instead"),
}
EVENTS = {
    "generation_completed": N_("Result"),
    "generation_failed": N_("Failure"),
    "notice": N_("Notice"),
}
TRIES = {
    "failed": N_("Did not work, tried again later"),
    "final": N_("Refused by the chat for good"),
    "uncertain": N_("May have arrived"),
    "broke": N_("The bot failed over it"),
    "lost": N_("The bot ended in the middle"),
    "expired": N_("Too old to be sent"),
    "retry": N_("An admin sent it again"),
    "to_dm": N_("An admin sent it to the private chat"),
}
BROADCAST_STATES = {"sending": N_("Being sent"), "sent": N_("Sent"), "stopped": N_("Stopped")}
CHECKS = {
    "database": N_("Database"),
    "media": N_("Files"),
    "disk": N_("Disk"),
    "provider": N_("AI provider"),
    "background": N_("Background work"),
}


def delivery_state(state: str) -> State:
    return _coloured(DELIVERY_STATES, state)


def broadcast_state(one: BroadcastOut) -> State:
    key = "stopped" if one.stopped_at else "sending" if one.waiting or one.pending else "sent"
    return _coloured(BROADCAST_STATES, key)


def delivery_what(row: DeliveryRowOut) -> str:
    """Such as `Result c4xc2zs`, or the code of a notice."""
    what = in_list(EVENTS, row.event)
    about = row.short_id or (row.notice or "").replace("_", " ")
    return f"{what} {about}".strip()


def check_state(is_ok: bool) -> State:
    return State("ok", _("works"), "good") if is_ok else State("bad", _("does not work"), "bad")


def check_words(check: CheckOut) -> str:
    """Return the sentence of a check, and the number of files that wait beside that."""
    said = errors.trouble_words(check.reason or "", check.params) or check.detail
    waiting = check.params.get("waiting")
    if waiting is not None and check.reason != "files_waiting":
        said = f"{said} {errors.trouble_words('files_waiting', {'waiting': waiting})}"
    return said


def bot_state(bot: BotOut) -> State:
    if bot.connected:
        since = bot.since and _("connected since %(when)s", when=moment(bot.since))
        return State("on", since or _("connected"), "good")
    if bot.last_seen_at is None:
        return State("never", _("never seen"), "")
    return State("off", _("away, last seen %(when)s", when=ago(bot.last_seen_at)), "bad")


def part_words(process: BotProcessOut) -> str:
    """The part of a bot's work that a process does, such as `shard 0 of 2`."""
    return ", ".join(map(_part, process.leases)) or _("stands by")


def _part(lease: str) -> str:
    shard = _SHARD.fullmatch(lease)
    if shard is None:
        return _("takes the messages")
    return _("shard %(n)s of %(all)s", n=shard[1], all=shard[2])


def number_words(value: float) -> str:
    return format_decimal(value, "#,##0.#", locale=locale())


def size_words(size: int) -> str:
    """Such as `14.7 MB`."""
    power = min(len(_UNITS) - 1, max(0, (len(str(size)) - 1) // 3))
    return f"{number_words(size / 1000**power)} {_UNITS[power]}"


def date_words(day: date) -> str:
    return _date_words(day, chosen())


@lru_cache(1024)
def _date_words(day: date, language: str) -> str:
    """Kept, because a chart and its table name every day twice."""
    short, full = ("d MMM", "d MMM y") if language == "de" else ("MMM d", "MMM d, y")
    pattern = short if day.year == datetime.now(UTC).year else full
    return format_date(day, pattern, locale=Locale(language))
