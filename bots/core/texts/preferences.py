"""Sentences about models and settings."""

from collections.abc import Sequence
from decimal import Decimal

from bots.core.language import _, sentence, spoken
from bots.core.splitting import shorten
from bots.core.texts.words import money
from client.schemas import Kind, Thinking
from client.schemas.catalog import ModelOut, Per, PriceOut
from client.schemas.users import PreferencesOut, UserOut
from client.words import amounts
from client.words.language import N_

_KINDS: dict[Kind, str] = {
    "text": N_("Answers"),
    "image": N_("Images"),
    "video": N_("Videos"),
    "transcription": N_("Voice messages"),
    "speech": N_("Reading aloud"),
}
_EACH: dict[Per, str] = {
    "image": N_("%(usd)s an image"),
    "second": N_("%(usd)s a second"),
    "video": N_("%(usd)s a video"),
    "answer": N_("%(usd)s an answer"),
    "minute": N_("%(usd)s a minute"),
    "characters": N_("%(usd)s per 1,000 characters"),
}


def models_now(rows: Sequence[tuple[Kind, ModelOut | None]]) -> str:
    lines = [_("These models work for you:")]
    for kind, model in rows:
        name = _("none") if model is None else _named(model)
        lines.append(f"{models_button(kind)}: {name}")
    return "\n".join([*lines, "", _("Choose others here, or write /model and a name.")])


def _named(model: ModelOut) -> str:
    return f"{model.name} ({_price(model.price)})"


def _price(price: PriceOut) -> str:
    """`about $0.04 an image`."""
    if price.usd is None or price.per is None:
        return _("price not known")
    if not price.usd and not price.output_usd:
        return _("free")
    if price.output_usd is not None:
        read, written = (amounts.price(usd, spoken()) for usd in (price.usd, price.output_usd))
        return _("%(read)s in, %(written)s out per million tokens", read=read, written=written)
    one = _(_EACH[price.per], usd=amounts.price(price.usd, spoken()))
    if price.is_least:
        return _("from %(price)s", price=one)
    return _("about %(price)s", price=one) if price.is_about else one


def models_of(kind: Kind, models: Sequence[ModelOut]) -> str:
    if not models:
        return _("There is no model that you may use for this.")
    return "\n".join([f"{models_button(kind)}:", *(_named(one) for one in models)])


def model_chosen(model: ModelOut) -> str:
    kind = models_button(model.kind)
    return _("From now on I use %(name)s for this (%(kind)s).", name=model.name, kind=kind)


def of_kind(model: ModelOut) -> str:
    """A model with its kind, such as `Images: Nano Banana`, because it may be of several kinds. The
    kind stands first: long names are cut."""
    return f"{models_button(model.kind)}: {model.name}"


def model_meant(said: str) -> str:
    return _("“%(said)s” could be these. Which one, and for what?", said=shorten(said, 40))


model_gone = sentence("That model is not offered any more. /model shows those that are.")


def models_button(kind: Kind) -> str:
    return _(_KINDS[kind])


models_all = sentence("Models …")
default_model = sentence("The studio's choice")
back = sentence("‹ Back")
more = sentence("More ›")


def picked(label: str, *, now: bool) -> str:
    """The label of a choice, with a mark on the current one."""
    return f"✓ {label}" if now else label


def settings(person: UserOut, language: str, preferred: PreferencesOut) -> str:
    limit = person.confirm_above_usd
    lines = [
        _("Language: %(language)s", language=language),
        _("Before I spend: I never ask")
        if limit is None
        else _("Before I spend more than %(limit)s: I ask", limit=money(limit)),
        _("Results in groups: hidden until they are touched")
        if preferred.spoiler
        else _("Results in groups: open"),
        _("Search the web: when I think it helps, for up to about $0.02 a question")
        if preferred.web_search
        else _("Search the web: only with --web"),
        _("Thinking: %(effort)s", effort=thinking_effort(preferred.effort)),
        _("Voice messages: answered with voice, too")
        if preferred.voice_answers
        else _("Voice messages: answered with text"),
    ]
    return "\n".join([_("Your settings, in all your chats:"), *lines])


automatic = sentence("Automatic")
never_ask = sentence("Never ask")


def ask_above(usd: Decimal) -> str:
    return _("Ask above %(limit)s", limit=money(usd)) if usd else _("Always ask")


_DIGESTS = {
    "never": N_("No digest"),
    "daily": N_("Digest each day"),
    "weekly": N_("Digest on Mondays"),
}


def digest(often: str) -> str:
    return _(_DIGESTS[often])


spoiler_on = sentence("Hide in groups")
spoiler_off = sentence("Show in groups")
web_on = sentence("🌐 Search the web")
web_off = sentence("No web search")


def thinking_effort(effort: Thinking | None) -> str:
    """The name of an effort; None: the model's own."""
    names: dict[Thinking | None, str] = {
        None: _("the model's own"),
        "off": _("off"),
        "low": _("a little"),
        "medium": _("some"),
        "high": _("a lot"),
    }
    return names[effort]


def think(effort: Thinking | None) -> str:
    """The label of a button that sets how much models think."""
    return f"💭 {thinking_effort(effort)}"


setting_gone = sentence("That button is too old. /settings shows the present ones.")
