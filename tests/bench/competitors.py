"""Other gateways to measure ours against: pinned versions, installed once into the user's cache."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.stack import ROOT

LITELLM, PORTKEY = "1.108.7", "1.15.2"
PORTKEY_PACKAGES = {
    "dependencies": {"@portkey-ai/gateway": PORTKEY},
    # with newer ones that npm takes by itself, each of its streams ends with 500
    "overrides": {"@hono/node-server": "1.13.8"},
}
INSTALL_WITHIN = 420.0
DONE = ".installed"


class NotHere(Exception):
    """The reason why a gateway cannot be installed on this machine."""


def cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "allucanget" / "bench"


def litellm() -> list[str]:
    """Return the command of LiteLLM's proxy. Raises `NotHere`."""
    place = cache() / f"litellm-{LITELLM}"
    python, wanted = str(place / "bin" / "python"), f"litellm[proxy]=={LITELLM}"
    uv = shutil.which("uv") or shutil.which(ROOT / ".tools" / "bin" / "uv")
    if uv is not None:
        steps = [
            [uv, "venv", "-q", "--clear", "--python", sys.executable, str(place)],
            [uv, "pip", "install", "-q", "--compile-bytecode", "--python", python, wanted],
        ]
    else:
        steps = [
            [sys.executable, "-m", "venv", "--clear", str(place)],
            [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", wanted],
        ]
    _install(place, steps)
    return [python, str(place / "bin" / "litellm")]


def portkey() -> list[str]:
    """Return the command of Portkey's gateway. Raises `NotHere`."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        raise NotHere("node or npm is not installed")
    place = cache() / f"portkey-{PORTKEY}"
    quiet = ["--no-audit", "--no-fund", "--loglevel=error"]
    place.mkdir(parents=True, exist_ok=True)
    (place / "package.json").write_text(json.dumps(PORTKEY_PACKAGES))
    _install(place, [[npm, "install", "--prefix", str(place), *quiet]])
    script = place / "node_modules" / "@portkey-ai" / "gateway" / "build" / "start-server.js"
    return [node, str(script)]


def _install(place: Path, steps: Sequence[Sequence[str]]) -> None:
    """Raises `NotHere` with the last line that the installer said."""
    if (place / DONE).exists():
        return
    print(f"  installing {place.name} into {place} ...", flush=True)
    for step in steps:
        try:
            done = subprocess.run(
                step, capture_output=True, text=True, check=False, timeout=INSTALL_WITHIN
            )
        except subprocess.TimeoutExpired as error:
            raise NotHere(f"its installation took over {INSTALL_WITHIN:g} s") from error
        if done.returncode:
            said = (done.stderr.strip() or done.stdout.strip() or "no word").splitlines()[-1]
            raise NotHere(f"its installation failed ({said})")
    (place / DONE).touch()
