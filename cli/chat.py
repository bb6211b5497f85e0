"""`./run chat`: the terminal chat, once the api answers."""

from bots.settings import BotSettings
from cli.errors import CommandRefused
from cli.process import run
from cli.settings import LaunchSettings, check_names, load, secrets_of
from client import calls
from client.connections import open_http
from client.errors import ApiError
from client.sync import Api


def chat() -> int:
    """Return the exit code. Raises `CommandRefused`, `BadSetting`."""
    check_names()
    launch = load(LaunchSettings)
    api_url = load(BotSettings, launch.given("terminal", secrets_of(launch))).api_url
    try:
        with open_http(api_url) as http:
            Api(http).send(calls.alive())
    except ApiError as error:
        raise CommandRefused(
            f"The api does not answer at {api_url}. Start everything with ./run in another "
            "terminal first."
        ) from error
    return run("terminal")
