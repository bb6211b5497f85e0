"""Settings that are read from files: `NAME_FILE` names the file with the value of `NAME`."""

import os
from collections.abc import Collection, Mapping
from pathlib import Path

SUFFIX = "_FILE"
LARGEST = 64 * 1024
"""Bytes. A value is a line or two; a larger file is another one than was meant."""

FOREIGN = {
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "ALL_PROXY",
    "HTTP_PROXY",
    "HTTPS_PROXY",
}
"""Settings of libraries that hold a secret, or may hold one. Their values go on in the environment,
where those libraries look for them."""


class SettingFileRefused(Exception):
    """The text names the setting and says why its file cannot be used."""


def values_from_files(names: Collection[str], dotenv: Mapping[str, str | None]) -> dict[str, str]:
    """Return the values of those `names` that are given by `NAME_FILE`, in the environment or in
    `dotenv`, which is read second. An empty file counts as not set. Raises `SettingFileRefused`,
    also for a name that has another value already."""
    written = {name.upper(): value for name, value in dotenv.items() if value}
    around = {name.upper(): value for name, value in os.environ.items() if value}
    found = {}
    for name in names:
        path = around.get(name + SUFFIX) or written.get(name + SUFFIX)
        if not path:
            continue
        value = _content(name + SUFFIX, Path(path.strip()))
        if value and (around.get(name) or written.get(name) or value) != value:
            raise SettingFileRefused(f"{name} and {name}{SUFFIX} are both set: keep one of them")
        if value:
            found[name] = value
    return found


def _content(setting: str, path: Path) -> str:
    """Return the file's text without the space around it."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise SettingFileRefused(f"{setting}: {path} cannot be read: {error.strerror}") from error
    if len(content) > LARGEST:
        raise SettingFileRefused(f"{setting}: {path} is too large to hold one value")
    try:
        return content.decode().strip()
    except UnicodeError as error:
        raise SettingFileRefused(f"{setting}: {path} is not UTF-8 text") from error
