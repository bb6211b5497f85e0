"""Sentences about groups, channels and servers with settings of their own."""

from collections.abc import Sequence

from bots.core.language import _, sentence
from bots.core.texts.preferences import models_button
from bots.core.texts.words import money
from client.schemas.places import PlaceOut, PlaceSettings
from client.words.language import LANGUAGES, N_

STUDIO_FORMS: dict[str, tuple[str, str]] = {
    "models": (N_("Models …"), N_("Models, with commas (- for all)")),
    "budget": (N_("Budget …"), N_("Dollars a month, and a person a day (- for none)")),
    "words": (N_("Blocked words …"), N_("Blocked words, with commas (- for none)")),
    "quiet": (N_("Quiet hours …"), N_("22:00-07:00 Europe/Berlin (- for none)")),
    "roles": (N_("Roles …"), N_("Roles, with commas (- for all)")),
}
"""The label of the button that asks, and the title of what is asked for."""
_AUDIENCE = {
    "server": N_("As the server says"),
    "linked": N_("People with an account"),
    "everybody": N_("Everybody"),
}

studio_in_group = sentence("Write /studio in the group or server that you want to set up.")
studio_admins_only = sentence("Only admins of this chat can change how I work here.")
studio_spoiler = sentence("Hide results")
studio_safe = sentence("Safe mode")
studio_only_here = sentence("Only here")
studio_each_language = sentence("Each their own")


def studio_audience(name: str) -> str:
    return _(_AUDIENCE[name])


def studio_form_button(name: str) -> str:
    return _(STUDIO_FORMS[name][0])


def studio_form(name: str) -> str:
    return _(STUDIO_FORMS[name][1])


def studio_unreadable(name: str) -> str:
    wanted = studio_form(name) if name in STUDIO_FORMS else ""
    return _("I did not understand that. What I need: %(wanted)s", wanted=wanted)


def studio_no_role(name: str) -> str:
    return _("There is no role called “%(name)s” here.", name=name)


def studio_written(name: str, settings: PlaceSettings) -> str:
    """The present value, as it is written in the form."""
    match name:
        case "models":
            return ", ".join(settings.models)
        case "words":
            return ", ".join(settings.blocked_words)
        case "roles":
            return ", ".join(one.name or one.id for one in settings.roles)
        case "quiet" if settings.quiet is not None:
            quiet = settings.quiet
            return f"{quiet.since}-{quiet.until} {quiet.time_zone}"
        case "budget":
            amounts = (settings.monthly_usd, settings.daily_usd)
            if amounts != (None, None):
                return " ".join("-" if one is None else f"{one:f}" for one in amounts)
    return ""


def studio_page(place: PlaceOut) -> str:
    settings = place.settings
    off = [models_button(kind) for kind in settings.kinds_off]
    lines = [
        _("How I work in %(name)s", name=place.name or _("this chat")),
        _("For: %(audience)s", audience=studio_audience(settings.audience)),
    ]
    if settings.roles:
        lines.append(_("Roles: %(names)s", names=studio_written("roles", settings)))
    if off:
        lines.append(_("Switched off: %(kinds)s", kinds=", ".join(off)))
    if settings.models:
        lines.append(_("Only these models: %(names)s", names=", ".join(settings.models)))
    lines.append(_budget(place))
    if settings.daily_usd is not None:
        lines.append(_("Each person a day: %(limit)s", limit=money(settings.daily_usd)))
    if settings.channels:
        names = ", ".join(one.name or one.id for one in settings.channels)
        lines.append(_("Only in: %(names)s", names=names))
    lines.append(
        _("Results: hidden until they are touched") if settings.spoiler else _("Results: open")
    )
    if settings.safe:
        # never the words themselves: others read along
        number = len(settings.blocked_words)
        lines.append(_("Safe mode: %(number)s blocked words", number=number))
    if settings.quiet is not None:
        lines.append(_("Quiet: %(hours)s", hours=studio_written("quiet", settings)))
    spoken = studio_each_language() if settings.language is None else LANGUAGES[settings.language]
    lines.append(_("Language: %(language)s", language=spoken))
    return "\n".join(lines)


def _budget(place: PlaceOut) -> str:
    spent, limit = money(place.spent_usd + place.held_usd), place.settings.monthly_usd
    if limit is None:
        return _("Spent this month: %(spent)s, no limit", spent=spent)
    return _("Spent this month: %(spent)s of %(limit)s", spent=spent, limit=money(limit))


def other_channels(names: Sequence[str]) -> str:
    return _("Here I only work in: %(names)s", names=", ".join(names))


def other_roles(names: Sequence[str]) -> str:
    return _("Here I only work for people with the role %(names)s.", names=", ".join(names))
