"""/model and /settings: a person's preferences, kept by the API and the same in each chat."""

import asyncio
import hashlib
from decimal import Decimal
from typing import get_args

from bots.core import language, texts
from bots.core.cards import in_rows
from bots.core.commands.command import Command, Context, Replies
from bots.core.options import Mistake, find_model, fitting_models
from bots.core.types import Button, Inbound, Reply
from client import calls
from client.schemas import Kind, Thinking
from client.schemas.catalog import ModelOut
from client.schemas.users import PreferencesIn, PreferencesOut, ProfileIn, UserOut
from client.words.language import LANGUAGES, N_

KINDS: tuple[Kind, ...] = ("text", "image", "video", "transcription", "speech")
PAGE = 8
MEANT = 8
IN_A_ROW = 2
KINDS_IN_A_ROW = 3
VOICES = 12
VOICE_NAME = 30
"""Longest id of a voice that a button can carry."""
THRESHOLDS = (Decimal(0), Decimal("0.10"), Decimal("0.50"), Decimal(2))
AUTOMATIC = "auto"
NEVER = "never"
DEFAULT = "default"
SWITCHES = ("spoiler", "web_search", "voice_answers")
"""Preferences that are on or off."""
DIGESTS = ("daily", "weekly")


async def _model(inbound: Inbound, context: Context) -> Replies:
    said = inbound.text.strip()
    if not said:
        yield await _overview(inbound, context)
        return
    first, _, rest = said.partition(" ")
    kinds = (first,) if first in KINDS else KINDS
    models = [one for kind in kinds for one in await context.user.all(calls.models(kind))]
    words = rest.strip() if first in KINDS else said
    if not words:
        yield await _choice(inbound, context, kinds[0], 0)
        return
    meant = fitting_models(words, models)
    if len(meant) < 2:
        model = find_model(words, models)
        await context.user.send(calls.prefer(PreferencesIn(**{f"{meant[0].kind}_model": model})))
        yield Reply(texts.model_chosen(meant[0]), secret=True)
        return
    # a model may be of several kinds: which of them is meant, only the person knows
    buttons = [
        Button(texts.of_kind(one), "use_model", f"{one.kind}:{digest(one)}:{inbound.sender.id}")
        for one in meant[:MEANT]
    ]
    yield Reply(texts.model_meant(words), buttons=tuple((one,) for one in buttons), secret=True)


async def _models(inbound: Inbound, context: Context) -> Replies:
    """Show a page of models: the button names their kind and, behind it, the page."""
    kind, place = _parts(inbound)
    yield await _choice(inbound, context, _kind(kind), int(place) if place.isdigit() else 0)


async def _use(inbound: Inbound, context: Context) -> Replies:
    said, wanted = _parts(inbound)
    kind, chosen = _kind(said), None
    if wanted != DEFAULT:
        chosen = of_digest(wanted, await context.user.all(calls.models(kind))).id
    await context.user.send(calls.prefer(PreferencesIn(**{f"{kind}_model": chosen})))
    yield await _overview(inbound, context)


async def _overview(inbound: Inbound, context: Context) -> Reply:
    preferred = await context.user.send(calls.preferences())
    found = await asyncio.gather(*(context.user.all(calls.models(kind)) for kind in KINDS))
    each = zip(KINDS, found, strict=True)
    rows = [(kind, _current(kind, models, preferred)) for kind, models in each]
    mine = inbound.sender.id
    buttons = [Button(texts.models_button(kind), "models", f"{kind}:0:{mine}") for kind in KINDS]
    return Reply(texts.models_now(rows), buttons=in_rows(buttons, KINDS_IN_A_ROW), secret=True)


async def _choice(inbound: Inbound, context: Context, kind: Kind, page: int) -> Reply:
    models, preferred = await asyncio.gather(
        context.user.all(calls.models(kind)), context.user.send(calls.preferences())
    )
    shown = models[page * PAGE : (page + 1) * PAGE]
    current = _current(kind, models, preferred)
    mine = inbound.sender.id

    def pick(model: ModelOut) -> Button:
        now = current is not None and model.id == current.id
        return _pick(model.name, "use_model", f"{kind}:{digest(model)}:{mine}", now)

    rows = in_rows([pick(one) for one in shown], IN_A_ROW)
    turn = [Button(texts.default_model(), "use_model", f"{kind}:{DEFAULT}:{mine}")]
    if page > 0:
        turn.append(Button(texts.back(), "models", f"{kind}:{page - 1}:{mine}"))
    if len(models) > (page + 1) * PAGE:
        turn.append(Button(texts.more(), "models", f"{kind}:{page + 1}:{mine}"))
    return Reply(texts.models_of(kind, shown), buttons=(*rows, tuple(turn)), secret=True)


def _current(kind: Kind, models: list[ModelOut], preferred: PreferencesOut) -> ModelOut | None:
    wanted = getattr(preferred, f"{kind}_model")
    chosen = next((one for one in models if one.id == wanted), None)
    return chosen or next((one for one in models if one.default), None)


async def _settings(inbound: Inbound, context: Context) -> Replies:
    person, preferred = await asyncio.gather(
        context.user.send(calls.me()), context.user.send(calls.preferences())
    )
    yield _page(inbound, person, preferred)


async def _set(inbound: Inbound, context: Context) -> Replies:
    name, value = _parts(inbound)
    if name == "language" and value in {AUTOMATIC, *LANGUAGES}:
        change = ProfileIn.model_validate({"language": value})
        person = await context.user.send(calls.update_me(change))
        context.bot.forget(context.user.who)
        preferred = await context.user.send(calls.preferences())
        with language.speaking(language.chosen(value, inbound.sender.language)):
            reply = _page(inbound, person, preferred)
        yield reply
        return
    if name == "confirm":
        change = ProfileIn(confirm_above_usd=None if value == NEVER else Decimal(value))
        person = await context.user.send(calls.update_me(change))
        yield _page(inbound, person, await context.user.send(calls.preferences()))
    elif name == "voice":
        voice = PreferencesIn(voice=None if value == DEFAULT else value)
        preferred = await context.user.send(calls.prefer(voice))
        yield _page(inbound, await context.user.send(calls.me()), preferred)
    elif name == "digest" and value in {NEVER, *DIGESTS}:
        digest = PreferencesIn.model_validate({"digest": None if value == NEVER else value})
        preferred = await context.user.send(calls.prefer(digest))
        yield _page(inbound, await context.user.send(calls.me()), preferred)
    elif name in SWITCHES or (name == "effort" and value in {DEFAULT, *get_args(Thinking)}):
        wanted = (value == "on") if name in SWITCHES else (None if value == DEFAULT else value)
        chosen = PreferencesIn.model_validate({name: wanted})
        preferred = await context.user.send(calls.prefer(chosen))
        yield _page(inbound, await context.user.send(calls.me()), preferred)
    else:
        raise Mistake(texts.setting_gone())


async def _voices(inbound: Inbound, context: Context) -> Replies:
    """Show a page of the voices of the model that reads aloud."""
    place, _unused = _parts(inbound)
    page = int(place) if place.isdigit() else 0
    models, preferred = await asyncio.gather(
        context.user.all(calls.models("speech")), context.user.send(calls.preferences())
    )
    model, mine = _current("speech", models, preferred), inbound.sender.id
    if model is None:
        raise Mistake(texts.no_voices())
    voices = [one for one in model.capabilities.voices if len(one) <= VOICE_NAME]
    shown = voices[page * VOICES : (page + 1) * VOICES]
    picks = [_pick(one, "set", f"voice:{one}:{mine}", one == preferred.voice) for one in shown]
    turn = [Button(texts.automatic(), "set", f"voice:{DEFAULT}:{mine}")]
    if page > 0:
        turn.append(Button(texts.back(), "voices", f"{page - 1}::{mine}"))
    if len(voices) > (page + 1) * VOICES:
        turn.append(Button(texts.more(), "voices", f"{page + 1}::{mine}"))
    rows = (*in_rows(picks, KINDS_IN_A_ROW), tuple(turn))
    yield Reply(texts.voices_of(model.name), buttons=rows, secret=True)


def _page(inbound: Inbound, person: UserOut, preferred: PreferencesOut) -> Reply:
    def button(label: str, name: str, value: str, now: bool) -> Button:
        return _pick(label, "set", f"{name}:{value}:{inbound.sender.id}", now)

    spoken = {AUTOMATIC: texts.automatic(), **LANGUAGES}
    languages = [button(spoken[one], "language", one, one == person.language) for one in spoken]
    above = person.confirm_above_usd
    limits = [button(texts.never_ask(), "confirm", NEVER, above is None)]
    limits += [
        button(texts.ask_above(usd), "confirm", f"{usd}", above == usd) for usd in THRESHOLDS
    ]
    spoiler = (
        button(texts.spoiler_on(), "spoiler", "on", preferred.spoiler),
        button(texts.spoiler_off(), "spoiler", "off", not preferred.spoiler),
    )
    web = (
        button(texts.web_on(), "web_search", "on", preferred.web_search),
        button(texts.web_off(), "web_search", "off", not preferred.web_search),
    )
    efforts = [
        button(texts.think(one), "effort", one or DEFAULT, preferred.effort == one)
        for one in (None, *get_args(Thinking))
    ]
    aloud = (
        button(texts.voice_on(), "voice_answers", "on", preferred.voice_answers),
        button(texts.voice_off(), "voice_answers", "off", not preferred.voice_answers),
    )
    voice = preferred.voice or texts.automatic()
    models = (
        Button(texts.voice_button(voice), "voices", f"0::{inbound.sender.id}"),
        Button(texts.models_all(), "model", ""),
    )
    rows = (tuple(languages), *in_rows(limits, IN_A_ROW), spoiler, web, tuple(efforts))
    rows = (*rows, aloud, models)
    if person.role == "admin":
        often = (None, *DIGESTS)
        rows = (*rows, tuple(_digest(inbound, one, preferred.digest == one) for one in often))
    named = spoken.get(person.language, person.language)
    text = texts.settings(person, named, preferred)
    return Reply(text, buttons=rows, secret=True)


def _digest(inbound: Inbound, often: str | None, now: bool) -> Button:
    name = often or NEVER
    return _pick(texts.digest(name), "set", f"digest:{name}:{inbound.sender.id}", now)


def _pick(label: str, action: str, value: str, now: bool) -> Button:
    """A button for a choice, with a mark on the current one."""
    return Button(texts.picked(label, now=now), action, value, "primary" if now else "plain")


def _parts(inbound: Inbound) -> list[str]:
    """The two parts of a button's value before the last, which is the id of the person that it is
    for. Raises `Mistake` when somebody else has pressed it."""
    *parts, owner = inbound.text.split(":")
    if owner != inbound.sender.id:
        raise Mistake(texts.not_yours())
    return [*parts, "", ""][:2]


def _kind(said: str) -> Kind:
    found = next((kind for kind in KINDS if kind == said), None)
    if found is None:
        raise Mistake(texts.setting_gone())
    return found


def digest(model: ModelOut) -> str:
    """A short name for a model, where its id would be too long."""
    return hashlib.sha256(model.id.encode()).hexdigest()[:12]


def of_digest(wanted: str, models: list[ModelOut]) -> ModelOut:
    """The model with that short name. Raises `Mistake` when there is none any more."""
    found = next((one for one in models if digest(one) == wanted), None)
    if found is None:
        raise Mistake(texts.model_gone())
    return found


MODEL = Command(
    "model",
    N_("Which models I use for you"),
    _model,
    argument="model",
    argument_description=N_("The model to use from now on"),
    secret=True,
    argument_models=KINDS,
)
SETTINGS = Command(
    "settings", N_("Your language, when I ask about prices, hidden results"), _settings, secret=True
)
MODELS = Command("models", "", _models, secret=True, listed=False)
USE_MODEL = Command("use_model", "", _use, secret=True, listed=False)
VOICES_PAGE = Command("voices", "", _voices, secret=True, listed=False)
SET = Command("set", "", _set, secret=True, listed=False)
