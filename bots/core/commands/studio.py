"""/studio: an admin of a group or server sets how the bot works there.

Everybody may see the buttons where a chat has no answers for one person alone, so that each press
asks the platform again who administers the place.
"""

from decimal import Decimal, InvalidOperation

from pydantic import ValidationError

from bots.core import language, texts
from bots.core.commands.command import Command, Context, Replies
from bots.core.options import Mistake
from bots.core.places import seen
from bots.core.types import Ask, Button, Inbound, Place, Reply
from client import calls
from client.errors import ApiError
from client.schemas import Kind
from client.schemas.places import ActorIn, ChatChangeIn, Named, PlaceIn, PlaceOut, QuietHours
from client.words.language import LANGUAGES, N_

NONE = "-"
"""Written for no limit, no models of its own and the like."""
KINDS: tuple[Kind, ...] = ("text", "image", "video")
EACH = "each"


async def _studio(inbound: Inbound, context: Context) -> Replies:
    place = await _administered(inbound)
    yield await _page(inbound, place, context)


async def _set(inbound: Inbound, context: Context) -> Replies:
    place = await _administered(inbound)
    name, _, value = inbound.text.partition(":")
    change = _pressed(name, value, place, await _now(inbound, place, context))
    yield await _changed(inbound, place, context, change)


async def _ask(inbound: Inbound, context: Context) -> Replies:
    place = await _administered(inbound)
    name = inbound.text
    if name not in texts.STUDIO_FORMS:
        raise Mistake(texts.setting_gone())
    settings = (await _now(inbound, place, context)).settings
    # others read a question that is a message
    hidden = name == "words" and not context.limits.discreet
    present = "" if hidden else texts.studio_written(name, settings)
    ask = Ask(WRITE.name, name, texts.studio_form(name), present or NONE)
    yield Reply(texts.studio_form(name), ask=ask, secret=True, fresh=True)


async def _write(inbound: Inbound, context: Context) -> Replies:
    place = await _administered(inbound)
    name, _, words = inbound.text.partition(" ")
    try:
        change = _written(name, words.strip(), place)
    except (ValidationError, InvalidOperation, ValueError) as error:
        raise Mistake(texts.studio_unreadable(name)) from error
    yield await _changed(inbound, place, context, change)


async def _administered(inbound: Inbound) -> Place:
    """The place of the inbound, for one whom the platform calls its admin now. Raises
    `Mistake`."""
    place = inbound.place
    if place is None:
        raise Mistake(texts.studio_in_group())
    if not await place.administers():
        raise Mistake(texts.studio_admins_only())
    return place


async def _now(inbound: Inbound, place: Place, context: Context) -> PlaceOut:
    return await context.bot.send(calls.see_place(seen(place, inbound.address.chat_id)))


async def _changed(inbound: Inbound, place: Place, context: Context, change: PlaceIn) -> Reply:
    by = ActorIn(platform_user_id=inbound.sender.id, name=inbound.sender.name[:120])
    asked = ChatChangeIn(platform_place_id=place.id, by=by, change=change)
    try:
        changed = await context.bot.change_place(asked)
    except ApiError as error:
        if error.code not in ("not_allowed", "invalid_request"):
            raise
        raise Mistake(texts.error(error.code, error.problem)) from error
    own = context.bot.language(context.user.who)
    with language.speaking(
        language.chosen(changed.settings.language, own, inbound.sender.language)
    ):
        return _shown(place, changed)


async def _page(inbound: Inbound, place: Place, context: Context) -> Reply:
    return _shown(place, await _now(inbound, place, context))


def _pressed(name: str, value: str, place: Place, now: PlaceOut) -> PlaceIn:
    """The change of a button. Each names the state that it leads to, so that a second press changes
    nothing. Raises `Mistake`."""
    settings = now.settings
    is_on = value == "on"
    match name:
        case "audience" if value in ("server", "linked", "everybody"):
            return PlaceIn.model_validate({"audience": value})
        case "off" | "back" if value in KINDS:
            others = [kind for kind in settings.kinds_off if kind != value]
            off = [*others, value] if name == "off" else others
            return PlaceIn.model_validate({"kinds_off": off})
        case "spoiler":
            return PlaceIn(spoiler=is_on)
        case "safe":
            return PlaceIn(safe=is_on)
        case "here":
            channels = [one for one in settings.channels if one.id != place.channels[0]]
            here = Named(id=place.channels[0], name=place.channel[:120])
            return PlaceIn(channels=[*channels, here] if is_on else channels)
        case "language" if value in {EACH, *LANGUAGES}:
            return PlaceIn.model_validate({"language": None if value == EACH else value})
    raise Mistake(texts.setting_gone())


def _written(name: str, words: str, place: Place) -> PlaceIn:
    """The change that was written. Raises `ValueError`, `InvalidOperation`, `Mistake`."""
    parts = [] if words in ("", NONE) else [one.strip() for one in words.split(",") if one.strip()]
    match name:
        case "models":
            return PlaceIn(models=parts)
        case "words":
            return PlaceIn(blocked_words=parts, safe=bool(parts))
        case "budget":
            monthly, daily = [_amount(one) for one in [*words.split(), NONE, NONE][:2]]
            return PlaceIn(monthly_usd=monthly, daily_usd=daily)
        case "quiet":
            return PlaceIn(quiet=None if not parts else _hours(words))
        case "roles":
            return PlaceIn(roles=[_role(one, place) for one in parts])
    raise Mistake(texts.setting_gone())


def _amount(word: str) -> Decimal | None:
    return None if word == NONE else Decimal(word.strip("$").replace(",", "."))


def _hours(words: str) -> QuietHours:
    hours, zone = words.split(maxsplit=1)
    since, until = hours.replace("–", "-").split("-")
    return QuietHours(since=since.strip(), until=until.strip(), time_zone=zone.strip())


def _role(word: str, place: Place) -> Named:
    roles = place.all_roles()
    wanted = word.strip("<@&>").casefold()
    for role_id, name in roles:
        if wanted in (role_id, name.casefold()):
            return Named(id=role_id, name=name[:120])
    raise Mistake(texts.studio_no_role(word))


def _shown(place: Place, now: PlaceOut) -> Reply:
    settings = now.settings

    def button(label: str, value: str, *, picked: bool) -> Button:
        style = "primary" if picked else "plain"
        return Button(texts.picked(label, now=picked), SET.name, value, style)  # type: ignore[arg-type]

    audience = tuple(
        button(texts.studio_audience(one), f"audience:{one}", picked=settings.audience == one)
        for one in ("server", "linked", "everybody")
    )
    kinds = tuple(
        button(
            texts.models_button(kind),
            f"{'back' if kind in settings.kinds_off else 'off'}:{kind}",
            picked=kind not in settings.kinds_off,
        )
        for kind in KINDS
    )
    here = place.channels[0] in {one.id for one in settings.channels}
    switches = tuple(
        button(label, f"{name}:{'off' if on else 'on'}", picked=on)
        for label, name, on in (
            (texts.studio_spoiler(), "spoiler", settings.spoiler),
            (texts.studio_safe(), "safe", settings.safe),
            (texts.studio_only_here(), "here", here),
        )
    )
    languages = tuple(
        button(label, f"language:{one}", picked=(settings.language or EACH) == one)
        for one, label in ((EACH, texts.studio_each_language()), *LANGUAGES.items())
    )
    forms = tuple(
        Button(texts.studio_form_button(name), ASK.name, name)
        for name in texts.STUDIO_FORMS
        if name != "roles" or place.all_roles()
    )
    rows = (audience, kinds, switches, languages, forms)
    return Reply(texts.studio_page(now), buttons=rows, secret=True)


STUDIO = Command("studio", N_("For admins of this chat: how I work here"), _studio)
SET = Command("studio_set", "", _set, listed=False)
ASK = Command("studio_ask", "", _ask, listed=False, asks=True, afresh=True)
WRITE = Command("studio_write", "", _write, listed=False)
