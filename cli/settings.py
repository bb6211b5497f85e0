"""Settings that are needed before a process can read its own, and the sentence about a bad one."""

import os
import re
import sys
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from dotenv import dotenv_values
from dotenv.parser import parse_stream
from pydantic import AliasChoices, Field, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from api.secrets import Secrets, SecretsUnusable, ensure_secrets
from api.settings import Settings, reachable
from cli.setting_files import FOREIGN, SUFFIX, SettingFileRefused, values_from_files

EXIT_BAD_SETTING = 2
"""A process that ends with this code would end the same way again, so it stays stopped."""

EXIT_TRY_AGAIN = 1
"""A process that ends with this code is started again, as after a crash."""

ENV_FILE = ".env"
EXAMPLE = Path(__file__).parent.parent / ".env.example"
"""The list of every setting, which a test holds complete."""

_FOREIGN = re.compile(
    r"AWS_\w+|(?:HTTPS?|ALL|NO)_PROXY|(?:https?|all|no)_proxy|SSL_CERT_(?:FILE|DIR)"
)
"""Settings of S3, of proxies and of certificates."""
LONG_WORD = 7
_NAMED = re.compile(r"^[ \t]*(?:export[ \t]+)?([A-Za-z_]\w*)[ \t]*=", re.MULTILINE)

Port = Annotated[int, Field(ge=1, le=65535)]

OWN_SECRET = {
    "api": "secret_key",
    "worker": "secret_key",
    "web": "web_session_key",
    "telegram": "bot_key",
    "discord": "bot_key",
    "terminal": "bot_key",
}
"""The field of each process' own secret."""

S = TypeVar("S", bound=BaseSettings)


class BadSetting(Exception):
    """The text is one line with the setting and what it should be."""


class LaunchSettings(BaseSettings):
    """An empty value in the environment or in `.env` counts as not set."""

    model_config = SettingsConfigDict(
        env_file=ENV_FILE, extra="ignore", env_ignore_empty=True, str_strip_whitespace=True
    )

    data_dir: Path = Path("data")
    api_host: str = "127.0.0.1"
    api_port: Port = 8000
    web_host: str = "127.0.0.1"
    web_port: Port = 8080
    sandbox_host: str = "127.0.0.1"
    sandbox_port: Port = 8010
    api_url: str | None = None
    public_url: str | None = None

    secret_key: SecretStr | None = None
    web_session_key: SecretStr | None = None
    bot_key: SecretStr | None = None
    telegram_bot_key: SecretStr | None = None
    discord_bot_key: SecretStr | None = None

    worker: Literal["inside", "off"] = "inside"
    drain_seconds: Annotated[int, Field(ge=0, le=3600)] = 120
    openrouter_api_key: SecretStr | None = None
    openrouter_base_url: str | None = None
    telegram_bot_token: SecretStr | None = None
    discord_bot_token: SecretStr | None = None

    def idle(self, process: str) -> str | None:
        """Return the reason why this process has nothing to do, or None."""
        if process == "sandbox" and (self.openrouter_api_key or self.openrouter_base_url):
            return (
                "a provider is set (OPENROUTER_API_KEY, OPENROUTER_BASE_URL), so the sandbox "
                "is not needed"
            )
        if process == "worker" and self.worker == "inside":
            return "WORKER is inside, so the api makes the jobs itself"
        if process == "telegram" and not self.telegram_bot_token:
            return "TELEGRAM_BOT_TOKEN is not set, so the Telegram bot is not started"
        if process == "discord" and not self.discord_bot_token:
            return "DISCORD_BOT_TOKEN is not set, so the Discord bot is not started"
        return None

    def given(self, process: str, secrets: Secrets | None) -> dict[str, str]:
        """Return settings that this process needs and nobody set, by field: the address of the
        api, and the one secret that is its own. Without a missing secret, `secrets` may be None."""
        missing = {}
        if self.api_url is None:
            missing["api_url"] = f"http://{reachable(self.api_host)}:{self.api_port}"
        if process == "terminal" and self.public_url is None:
            missing["public_url"] = f"http://{reachable(self.web_host)}:{self.web_port}"
        field, key = self.missing_secret(process), self.key_of_bot(process)
        if key is not None and self.bot_key is None:
            missing["bot_key"] = key.get_secret_value()
        if field is not None and secrets is not None:
            missing[field] = (
                secrets.bot_keys[process] if field == "bot_key" else getattr(secrets, field)
            )
            if (before := secrets.before(field)) is not None:
                missing[f"{field}_previous"] = before
        return missing

    def missing_secret(self, process: str) -> str | None:
        """Return the field of the one secret that this process needs, when nobody set it: it has to
        come out of `DATA_DIR`."""
        field = OWN_SECRET.get(process)
        if field is None or getattr(self, field) or self.key_of_bot(process):
            return None
        return field

    def key_of_bot(self, process: str) -> SecretStr | None:
        """Return the credential that is named for the bot of one platform."""
        return {"telegram": self.telegram_bot_key, "discord": self.discord_bot_key}.get(process)


def load(settings: type[S], given: Mapping[str, Any] | None = None) -> S:
    """Read settings of any class from the environment, `.env` and the files that `NAME_FILE` names,
    `given` only where nobody set a value. Raises `BadSetting`; values are never repeated."""
    try:
        _check_lines()
        dotenv = dotenv_values(ENV_FILE, interpolate=False)
        _pass_on(dotenv)
        fields = {name: field for field, name in environment_names(settings).items()}
        in_files = values_from_files(fields, dotenv)
        return settings(
            **{**(given or {}), **{fields[name]: value for name, value in in_files.items()}}
        )
    except SettingFileRefused as error:
        raise BadSetting(str(error)) from error
    except ValidationError as error:
        names = environment_names(settings)
        sentences = (_sentence(names, each["loc"], each["msg"]) for each in error.errors())
        raise BadSetting("; ".join(sentences)) from error
    except SettingsError as error:
        raise BadSetting(str(error)) from error
    except (OSError, UnicodeError) as error:
        raise BadSetting(
            f"{ENV_FILE} cannot be read: "
            f"{error.strerror if isinstance(error, OSError) else 'it is not UTF-8 text'}"
        ) from error


def _check_lines() -> None:
    """Raise `BadSetting` for a line of `.env` that would be left out, and `OSError`."""
    path = Path(ENV_FILE)
    if not path.exists():
        return
    with path.open(encoding="utf-8-sig") as lines:
        for line in parse_stream(lines):
            if line.error or (line.key is not None and line.value is None):
                # what is read of a line begins with the empty lines before it
                read = line.original.string
                blank = read[: len(read) - len(read.lstrip())]
                number = line.original.line + blank.count("\n")
                raise BadSetting(f"Line {number} of {ENV_FILE} is no setting: write NAME=value")


def _pass_on(dotenv: Mapping[str, str | None]) -> None:
    """Pass settings of libraries, which look into the environment only, on from `.env` and from
    files. The environment wins."""
    for name, value in dotenv.items():
        if value and _FOREIGN.fullmatch(name):
            os.environ.setdefault(name, value)
    for name, value in values_from_files(FOREIGN, dotenv).items():
        os.environ[name] = value
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT"):
        if not (os.environ.get(name) or "https://").startswith(("https://", "http://")):
            raise BadSetting(f"{name} must begin with https:// or http://")
    _check_certificates(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))


@cache
def _check_certificates(file: str | None, folder: str | None) -> None:
    """Raise `BadSetting` when the certificates that are named cannot be read: otherwise each call
    to the outside would fail."""
    if file:
        import ssl  # only where certificates are named

        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(file)
        except ssl.SSLError as error:
            raise BadSetting(f"SSL_CERT_FILE: {file} holds no certificates") from error
        except OSError as error:
            raise BadSetting(f"SSL_CERT_FILE: {file} cannot be read: {error.strerror}") from error
    if folder and not Path(folder).is_dir():
        raise BadSetting(f"SSL_CERT_DIR: {folder} is no folder")


def check_names() -> None:
    """Raise `BadSetting` for a name that is nearly one of ours and read by nobody."""
    if not EXAMPLE.exists():
        return
    known = set(_NAMED.findall(EXAMPLE.read_text(encoding="utf-8").replace("\n#", "\n")))
    try:
        written = {
            name.upper() for name in _NAMED.findall(Path(ENV_FILE).read_text(encoding="utf-8"))
        }
    except (OSError, UnicodeError):
        written = set()  # `load` says why
    around = {name.upper() for name in os.environ}
    missing = known - _plain(written | around)
    for name in sorted(written):
        if _plain({name}).isdisjoint(known):
            _refuse_if_near(name, missing, ENV_FILE)
    # a shell holds names of other programs, too: only a name near a long one of ours is a mistake
    own = {name for name in missing if len(name.partition("_")[0]) >= LONG_WORD}
    for name in sorted(around - written):
        if _plain({name}).isdisjoint(known):
            _refuse_if_near(name, own, "the environment", nearness=0.88)


def _plain(names: Collection[str]) -> set[str]:
    return {name.removesuffix(SUFFIX) for name in names}


def _refuse_if_near(name: str, missing: Collection[str], where: str, nearness: float = 0.8) -> None:
    plain = name.removesuffix(SUFFIX)
    if found := get_close_matches(plain, missing, 1, nearness):
        meant = f"{found[0]}{name.removeprefix(plain)}"
        raise BadSetting(f"{name} in {where} is no setting: did you mean {meant}?")


def secrets_of(launch: LaunchSettings) -> Secrets:
    """Raises `BadSetting` when `DATA_DIR` cannot be used."""
    try:
        return ensure_secrets(launch.data_dir)
    except SecretsUnusable as error:
        raise BadSetting(f"DATA_DIR: {error}") from error


def api_settings(launch: LaunchSettings) -> Settings:
    """Return the settings of the api for a command that does its work itself and logs errors only.
    Raises `BadSetting`."""
    from telemetry import logs

    logs.configure(level="error", stream=sys.stderr)
    return load(Settings, launch.given("api", secrets_of(launch)))


def environment_names(settings: type[BaseSettings]) -> dict[str, str]:
    """Return the name of each field in the environment and in `.env`."""
    prefix = settings.model_config.get("env_prefix", "")
    return {
        name: (_alias(field) or f"{prefix}{name}").upper()
        for name, field in settings.model_fields.items()
    }


def _alias(field: FieldInfo) -> str | None:
    alias = field.validation_alias
    first = alias.choices[0] if isinstance(alias, AliasChoices) else alias
    return first if isinstance(first, str) else None


def _sentence(names: Mapping[str, str], place: tuple[int | str, ...], message: str) -> str:
    text = message.removeprefix("Value error, ").removeprefix("Assertion failed, ")
    text = text.replace("Input should", "should").replace("Field required", "is missing")
    return f"{names.get(str(place[0]), str(place[0]).upper())} {text}" if place else text
