"""The commands of `./run`. Each one uses the same settings and secrets as the processes do."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import typer

from bots.settings import BotSettings
from cli.process import run
from cli.ready import Place
from cli.settings import EXIT_BAD_SETTING, BadSetting, LaunchSettings, load, secrets_of

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="All You Can GET AI. Without a command, ./run starts everything; ./run test and ./run check are for developers.",
)


@app.command()
def chat() -> None:
    """Chat in this terminal, as on Telegram or Discord."""
    with bad_setting_ends():
        launch = load(LaunchSettings)
        api_url = load(BotSettings, launch.given("terminal", secrets_of(launch))).api_url
    try:
        httpx.get(f"{api_url}/healthz", timeout=10)
    except httpx.TransportError:
        print(f"The api does not answer at {api_url}. Start everything with ./run in another terminal first.", file=sys.stderr)
        sys.exit(1)
    sys.exit(run("terminal"))


@app.command()
def setup_link() -> None:
    """Print the link that creates the first admin. It works until there is one."""
    with bad_setting_ends():
        launch = load(LaunchSettings)
        web = launch.public_url or Place(launch.web_host, launch.web_port).url
        print(f"{web}/setup?token={secrets_of(launch).setup_token}")


@contextmanager
def bad_setting_ends() -> Iterator[None]:
    try:
        yield
    except BadSetting as error:
        print(f"Bad setting: {error}", file=sys.stderr)
        sys.exit(EXIT_BAD_SETTING)


if __name__ == "__main__":
    app(prog_name="./run")
