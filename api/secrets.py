"""The secrets of an installation, made by the first start and kept in `DATA_DIR/secrets.json` for
every process of this machine."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import get_args

from pydantic import BaseModel, Field, ValidationError

from api.ids import new_id, now, token
from api.schemas import Platform

BOT_KEY = "bot_key_{}"
"""Name of the key of a platform's bot."""
EARLIER_DAYS = 31
"""Days for which a secret before counts: links to results last up to 30 days, as sessions do."""
OVERLAPPING = {"secret_key", "web_session_key"}


def _bot_keys() -> dict[str, str]:
    return {platform: token() for platform in get_args(Platform)}


class EarlierSecret(BaseModel):
    value: str
    until: datetime


class Secrets(BaseModel):
    """`setup_token` makes the first admin, `bot_keys` are the bots' credentials by platform,
    `operator_key` opens what only this machine's shell may ask of the api, `installation` tells
    this one from others that keep files in the same store. `earlier` holds secrets before, by name,
    `made` the time of each secret that is known."""

    secret_key: str = Field(default_factory=token, min_length=32)
    setup_token: str = Field(default_factory=token, min_length=32)
    web_session_key: str = Field(default_factory=token, min_length=32)
    operator_key: str = Field(default_factory=token, min_length=32)
    installation: str = Field(default_factory=new_id)
    bot_keys: dict[str, str] = Field(default_factory=_bot_keys)
    earlier: dict[str, EarlierSecret] = Field(default_factory=dict)
    made: dict[str, datetime] = Field(default_factory=dict)

    def before(self, name: str) -> str | None:
        """Return the secret before, while it counts."""
        found = self.earlier.get(name)
        return found.value if found is not None and now() < found.until else None


class SecretsUnusable(Exception):
    """The file cannot be made, or what it holds is not ours. The text says which file and why."""


def ensure_secrets(data_dir: Path) -> Secrets:
    """Read the secrets, or make them: once, also when several processes start at the same
    moment."""
    path = data_dir / "secrets.json"
    with _alone(data_dir):
        if not path.exists():
            return _write(path, _new())
        found = _read(path)
        # a secret that came with a newer version is made once, too
        return (
            found if Secrets.model_fields.keys() <= found.model_fields_set else _write(path, found)
        )


def installation_of(data_dir: Path) -> str | None:
    """Return the id of this installation and change nothing; None where it has no secrets that can
    be read."""
    try:
        return _read(data_dir / "secrets.json").installation
    except (OSError, SecretsUnusable):
        return None


def renew_bot_key(data_dir: Path, platform: Platform) -> Secrets:
    """Make a new credential for this platform's bot, and return all secrets."""
    path = data_dir / "secrets.json"
    with _alone(data_dir):
        found = _read(path) if path.exists() else _new()
        keys = {**found.bot_keys, platform: token()}
        made = {**found.made, BOT_KEY.format(platform): now()}
        return _write(path, found.model_copy(update={"bot_keys": keys, "made": made}))


def rotate_secret(data_dir: Path, name: str, *, leaked: bool) -> Secrets:
    """Make a new secret of this name and return all. Where both can count for a while, the one
    before does, unless it has `leaked`."""
    path = data_dir / "secrets.json"
    with _alone(data_dir):
        found = _read(path) if path.exists() else _new()
        earlier = {each: one for each, one in found.earlier.items() if each != name}
        if name in OVERLAPPING and not leaked:
            until = now() + timedelta(days=EARLIER_DAYS)
            earlier[name] = EarlierSecret(value=getattr(found, name), until=until)
        made = {**found.made, name: now()}
        changes = {name: token(), "earlier": earlier, "made": made}
        return _write(path, found.model_copy(update=changes))


def _new() -> Secrets:
    names = ("secret_key", "setup_token", "web_session_key", "operator_key")
    keys = (BOT_KEY.format(platform) for platform in get_args(Platform))
    return Secrets(made=dict.fromkeys((*names, *keys), now()))


@contextmanager
def _alone(data_dir: Path) -> Iterator[None]:
    """Keep all other processes of this machine out. Raises `SecretsUnusable`."""
    if data_dir.is_file():
        raise SecretsUnusable(f"{data_dir} is a file, and should be a folder")
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(data_dir / "secrets.lock", os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)
    except OSError as error:
        raise SecretsUnusable(f"{error.filename or data_dir}: {error.strerror}") from error


def _read(path: Path) -> Secrets:
    try:
        return Secrets.model_validate_json(path.read_bytes())
    except ValidationError as error:
        advice = "put a copy of it back, or delete it to make new secrets and sign everybody out"
        raise SecretsUnusable(f"{path} is damaged: {advice}") from error


def _write(path: Path, secrets: Secrets) -> Secrets:
    """Write the file aside and rename it, so that a crash leaves the old file or the new one."""
    aside = path.with_suffix(".new")
    aside.unlink(missing_ok=True)
    with os.fdopen(os.open(aside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
        file.write(secrets.model_dump_json(indent=2) + "\n")
        file.flush()
        os.fsync(file.fileno())
    aside.rename(path)
    return secrets
