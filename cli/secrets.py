"""`./run secrets`: all secrets with age and place, never their value, and new ones for ours."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import get_args

from dotenv import dotenv_values
from pydantic import SecretStr

from api.ids import now
from api.secrets import (
    BOT_KEY,
    EARLIER_DAYS,
    Secrets,
    SecretsUnusable,
    ensure_secrets,
    rotate_secret,
)
from cli import bot_key
from cli.errors import CommandRefused
from cli.settings import ENV_FILE, BadSetting, LaunchSettings, environment_names, load
from client.schemas import Platform

PLATFORMS: tuple[Platform, ...] = get_args(Platform)


@dataclass(frozen=True, slots=True)
class KnownSecret:
    """`rotated` says what a rotation does, and what is to be restarted; `leaked` the same for a
    secret that somebody else knows, where that differs."""

    purpose: str
    rotated: str
    leaked: str = ""


OURS = {
    "secret_key": KnownSecret(
        "signs access tokens and links to files",
        "Restart the api and the workers. Nobody is signed out: what the old one signed stays "
        f"good for {EARLIER_DAYS} days.",
        "Restart the api and the workers. Nobody is signed out; open links to results end.",
    ),
    "web_session_key": KnownSecret(
        "seals the web's cookies",
        "Restart the web. Nobody is signed out: cookies of the old one are read for "
        f"{EARLIER_DAYS} days.",
        "Restart the web. Everybody signs in again there. A cookie that somebody copied holds "
        "tokens which work on at the api: end the sessions under Admin, Users, of whoever may be "
        "concerned.",
    ),
    "operator_key": KnownSecret(
        "lets ./run ask the running api", "Nothing has to be restarted and nobody notices."
    ),
    "setup_token": KnownSecret(
        "makes the first admin",
        "Restart the api. An old setup link does not work any more; with an admin it never does.",
    ),
    **{
        BOT_KEY.format(platform): KnownSecret(
            f"lets the {platform} bot in",
            f"Restart the {platform} bot. The old one works until the next rotation.",
            f"Restart the {platform} bot, which is shut out until then.",
        )
        for platform in PLATFORMS
    },
}
OUTSIDE = {
    "OPENROUTER_API_KEY": "make one at openrouter.ai, set it, restart the api and the workers, "
    "then delete the old one there",
    "OPENROUTER_WEBHOOK_SECRET": "set the new one at openrouter.ai and here, restart the api; "
    "until then results are polled for",
    "TELEGRAM_BOT_TOKEN": "/revoke at @BotFather, set the new one, restart the api and the bot; "
    "the secret of the webhook is made of it",
    "DISCORD_BOT_TOKEN": "Bot, Reset Token at the developer portal, set the new one, restart the "
    "bot",
    "SMTP_PASSWORD": "change it at the mail server, set it, restart the api",
    "DATABASE_URL": "change the password at the server, set the address, restart the api and the "
    "workers",
    "AWS_SECRET_ACCESS_KEY": "make a second key at the store, set both parts, restart the api and "
    "the workers, then delete the old one there; links to the store end",
}
ELSE = "set the new one and restart"
SETTINGS = {"secret_key": "SECRET_KEY", "web_session_key": "WEB_SESSION_KEY"}
ROTATED_HERE = {*SETTINGS.values(), "BOT_KEY"}


def listed() -> Iterator[str]:
    """Yield the lines of the list. Raises `BadSetting`."""
    launch = load(LaunchSettings)
    secrets = _secrets(launch)
    rows = [("NAME", "AGE", "WHERE", "WHAT FOR, OR HOW TO CHANGE IT")]
    for name, about in OURS.items():
        setting = SETTINGS.get(name, "")
        place = _place(setting)
        rows.append(
            (
                name,
                "" if place else _age(secrets, name),
                f"{setting} in {place}" if place else f"{launch.data_dir}/secrets.json",
                about.purpose,
            )
        )
    rows.extend(
        (name, "", place, OUTSIDE.get(name, ELSE)) for name in _outside() if (place := _place(name))
    )
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        yield "  ".join([*map(str.ljust, row[:3], widths), row[3]])


def rotate(name: str, *, leaked: bool) -> str:
    """Make a new secret, and say what follows. Raises `CommandRefused`, `BadSetting`."""
    launch = load(LaunchSettings)
    if name.upper() in _outside():
        raise CommandRefused(f"{name.upper()} is not made here: {OUTSIDE.get(name.upper(), ELSE)}.")
    if name not in OURS:
        raise CommandRefused(f"There is no secret {name}. Known are: {', '.join(OURS)}.")
    setting = SETTINGS.get(name, "")
    if place := _place(setting):
        old = "" if leaked else f", the old one as {setting}_PREVIOUS"
        raise CommandRefused(
            f"{setting} is set in {place}, so it is not rotated here: put the new one there{old}, "
            "and restart."
        )
    try:
        for platform in PLATFORMS:
            if name == BOT_KEY.format(platform):
                if leaked:
                    bot_key.shut_out(platform)
                else:
                    bot_key.renew(platform)
                break
        else:
            rotate_secret(launch.data_dir, name, leaked=leaked)
    except SecretsUnusable as error:
        raise BadSetting(f"DATA_DIR: {error}") from error
    about = OURS[name]
    said = about.leaked if leaked and about.leaked else about.rotated
    return f"{name} is a new one, in {launch.data_dir / 'secrets.json'}. {said}"


def _secrets(launch: LaunchSettings) -> Secrets:
    try:
        return ensure_secrets(launch.data_dir)
    except SecretsUnusable as error:
        raise BadSetting(f"DATA_DIR: {error}") from error


def _outside() -> list[str]:
    """Return the secrets among the settings that others than we make."""
    from admin_web.settings import WebSettings
    from api.settings import Settings
    from bots.settings import BotSettings

    found = {"DATABASE_URL", "AWS_SECRET_ACCESS_KEY"}
    for settings in (LaunchSettings, Settings, WebSettings, BotSettings):
        names = environment_names(settings)
        found |= {
            names[name]
            for name, field in settings.model_fields.items()
            if SecretStr in (field.annotation, *get_args(field.annotation))
        }
    return sorted(
        name for name in found - ROTATED_HERE if name.removesuffix("_PREVIOUS") not in ROTATED_HERE
    )


def _place(name: str) -> str:
    """Name the place where a setting is set; empty for one that is not."""
    dotenv = dotenv_values(ENV_FILE, interpolate=False)
    for each in (name, f"{name}_FILE"):
        if name and os.environ.get(each):
            return "the environment" if each == name else os.environ[each]
        if name and (value := dotenv.get(each)):
            return ENV_FILE if each == name else value
    return ""


def _age(secrets: Secrets, name: str) -> str:
    made = secrets.made.get(name)
    if made is None:
        return "unknown"
    days = (now() - made).days
    return "today" if days == 0 else f"{days} day{'s' if days > 1 else ''}"
