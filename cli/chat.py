"""`./run chat`: the terminal chat, once the api answers."""

import httpx

from bots.settings import BotSettings
from cli.errors import CommandRefused
from cli.process import run
from cli.settings import LaunchSettings, check_names, load, secrets_of


def chat() -> int:
    """Return the exit code. Raises `CommandRefused`, `BadSetting`."""
    check_names()
    launch = load(LaunchSettings)
    api_url = load(BotSettings, launch.given("terminal", secrets_of(launch))).api_url
    try:
        httpx.get(f"{api_url}/healthz", timeout=10, trust_env=False)
    except httpx.TransportError as error:
        raise CommandRefused(
            f"The api does not answer at {api_url}. Start everything with ./run in another "
            "terminal first."
        ) from error
    return run("terminal")
