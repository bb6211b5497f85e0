"""The commands of `./run`. Each one uses the same settings and secrets as the processes do, and
imports what it needs when it runs."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import httpx
import typer

from api.ids import now
from api.version import VERSION
from bots.settings import BotSettings
from cli.process import run
from cli.ready import Place
from cli.settings import EXIT_BAD_SETTING, BadSetting, LaunchSettings, check_names, load, secrets_of
from client.schemas import Platform

if TYPE_CHECKING:
    from api.command_line import LinkOut

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="All You Can GET AI. Without a command, ./run starts everything; ./run test and ./run "
    "check are for developers.",
)


admin = typer.Typer(no_args_is_help=True, help="Get into the studio when nobody can sign in.")
app.add_typer(admin, name="admin")


def print_version(asked: bool) -> None:
    if asked:
        print(VERSION)
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", callback=print_version, is_eager=True),
    ] = False,
) -> None:
    """Read what may stand before any command."""


Email = Annotated[str, typer.Argument(metavar="EMAIL")]


@app.command()
def chat() -> None:
    """Chat in this terminal, as on Telegram or Discord."""
    with bad_setting_ends():
        check_names()
        launch = load(LaunchSettings)
        api_url = load(BotSettings, launch.given("terminal", secrets_of(launch))).api_url
    try:
        httpx.get(f"{api_url}/healthz", timeout=10, trust_env=False)
    except httpx.TransportError:
        print(
            f"The api does not answer at {api_url}. Start everything with ./run in another "
            "terminal first.",
            file=sys.stderr,
        )
        sys.exit(1)
    sys.exit(run("terminal"))


@app.command()
def setup_link() -> None:
    """Print the link that creates the first admin. It works until there is one."""
    with bad_setting_ends():
        launch = load(LaunchSettings)
        web = launch.public_url or Place(launch.web_host, launch.web_port).url
        print(f"{web}/setup?token={secrets_of(launch).setup_token}")


@admin.command("create")
def create_admin(
    email: Email,
    yes: Annotated[
        bool, typer.Option("--yes", help="Do not ask before making a user an admin.")
    ] = False,
) -> None:
    """Print a link with which a new admin chooses a password, or make an admin of an account that
    is there. Works while it runs, too."""
    from cli import admin as admin_access

    with bad_setting_ends(), refusal_ends():
        made = admin_access.create_admin(email, promote=yes)
        if made.state == "user":
            typer.confirm(
                f"{email} has an account already. Make it an admin, who sees and decides "
                "everything here?",
                abort=True,
            )
            made = admin_access.create_admin(email, promote=True)
        if made.state == "admin":
            print(
                f"{email} is an admin already. Lost the password? ./run admin reset-password "
                f"{email}"
            )
        elif made.state == "promoted":
            print(f"{email} is an admin now.")
        else:
            print_link(made, f"{email} becomes an admin by choosing a password here")


@admin.command("reset-password")
def reset_password(email: Email) -> None:
    """Print a link with which somebody chooses a new password; the old one works until then. Works
    while it runs, too."""
    from cli import admin as admin_access

    with bad_setting_ends(), refusal_ends():
        print_link(admin_access.reset_password(email), f"{email} chooses a new password here")


@app.command()
def bot_key(platform: Annotated[Platform, typer.Argument()]) -> None:
    """Give a platform's bot a new key. The one before works on until the next new one."""
    from cli import admin as admin_access

    with bad_setting_ends(), refusal_ends():
        known = admin_access.renew(platform)
        path = load(LaunchSettings).data_dir / "secrets.json"
    print(
        f"The {platform} bot has a new key, in {path}. "
        f"{'The api knows it.' if known else 'The api takes it when it starts.'}"
    )
    print(
        "The bot uses it from its next start on; until then, the one before works. Do this twice "
        "to shut a leaked key out."
    )


@app.command()
def backup() -> None:
    """Make a backup of the database now, into DATA_DIR/backups. Works while everything runs."""
    from cli import backup

    with bad_setting_ends(), refusal_ends():
        print(backup.backup())


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE")],
    yes: Annotated[
        bool, typer.Option("--yes", help="Do not ask before the database is replaced.")
    ] = False,
) -> None:
    """Put a backup in the place of the database, which is kept beside it. Stop everything first."""
    from cli import backup

    with bad_setting_ends(), refusal_ends():
        about = backup.look_into(file)
        if not yes:
            typer.confirm(
                f"{file.name} has {about}. Everybody has to sign in again. Put it in place of the "
                "database?",
                abort=True,
            )
        print(backup.restore(file))


@app.command()
def migrate() -> None:
    """Bring the database to the form that this version needs. Each start does it, too."""
    from cli import backup

    with bad_setting_ends(), refusal_ends():
        print(backup.migrate_now())


def print_link(link: "LinkOut", what: str) -> None:
    from cli import admin as admin_access

    assert link.expires_at is not None
    left = round((link.expires_at - now()).total_seconds() / 60)
    print(f"{what}, once, within {left} minutes:\n{admin_access.page_of(link)}")


@contextmanager
def refusal_ends() -> Iterator[None]:
    from cli import admin as admin_access

    try:
        yield
    except admin_access.Refused as error:
        print(error, file=sys.stderr)
        sys.exit(1)


@contextmanager
def bad_setting_ends() -> Iterator[None]:
    try:
        yield
    except BadSetting as error:
        print(f"Bad setting: {error}", file=sys.stderr)
        sys.exit(EXIT_BAD_SETTING)


if __name__ == "__main__":
    os.umask(0o077)
    app(prog_name="./run")
