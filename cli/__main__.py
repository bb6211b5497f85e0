"""The commands of `./run`. Each one uses the same settings and secrets as the processes do."""

import sys

import httpx
import typer

from bots.settings import BotSettings
from cli.process import run
from cli.settings import EXIT_BAD_SETTING, BadSetting, LaunchSettings, load, secrets_of

app = typer.Typer(
    name="./run",
    no_args_is_help=True,
    add_completion=False,
    help="All You Can GET AI. Without a command, ./run starts everything; ./run test and ./run check are for developers.",
)


@app.callback()
def _commands() -> None:
    """Keeps `chat` a command of its own while it is the only one."""


@app.command()
def chat() -> None:
    """Chat in this terminal, as on Telegram or Discord."""
    try:
        launch = load(LaunchSettings)
        api_url = load(BotSettings, launch.given("terminal", secrets_of(launch))).api_url
    except BadSetting as error:
        print(f"Cannot start: {error}", file=sys.stderr)
        sys.exit(EXIT_BAD_SETTING)
    try:
        httpx.get(f"{api_url}/healthz", timeout=10)
    except httpx.TransportError:
        print(f"The api does not answer at {api_url}. Start everything with ./run in another terminal first.", file=sys.stderr)
        sys.exit(1)
    sys.exit(run("terminal"))


if __name__ == "__main__":
    app()
