"""The commands of `./run`, each with a file of its own that is imported when the command runs."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.version import VERSION
from cli import faults
from cli.ending import run_to_end
from cli.errors import CommandRefused
from cli.settings import EXIT_BAD_SETTING, BadSetting, LaunchSettings, load
from client.schemas import Platform

if TYPE_CHECKING:
    from client.schemas.admin import AccountLinkOut

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="All You Can GET AI. Without a command, ./run starts everything; ./run test and ./run "
    "check are for developers.",
)


admin = typer.Typer(no_args_is_help=True, help="Get into the studio when nobody can sign in.")
app.add_typer(admin, name="admin")

broken = typer.Typer(
    no_args_is_help=True,
    help="Break the product on purpose, and count what it promised. For developers.",
)
app.add_typer(broken, name="faults")

media = typer.Typer(no_args_is_help=True, help="The store of pictures and videos.")
app.add_typer(media, name="media")


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
    from cli import chat

    with failures_end():
        code = chat.chat()
    sys.exit(code)


@app.command()
def setup_link() -> None:
    """Print the link that creates the first admin. It works until there is one."""
    from cli import setup_link

    with failures_end():
        print(setup_link.setup_link())


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

    with failures_end():
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

    with failures_end():
        print_link(admin_access.reset_password(email), f"{email} chooses a new password here")


@app.command()
def bot_key(platform: Annotated[Platform, typer.Argument()]) -> None:
    """Give a platform's bot a new key. The one before works on until the next new one."""
    from cli import bot_key

    with failures_end():
        known = bot_key.renew(platform)
        path = load(LaunchSettings).data_dir / "secrets.json"
    print(
        f"The {platform} bot has a new key, in {path}. "
        f"{'The api knows it.' if known else 'The api takes it when it starts.'}"
    )
    print(
        "The bot uses it from its next start on; until then, the one before works. Do this twice "
        "while the api runs to shut a leaked key out."
    )


@app.command()
def backup(
    media: Annotated[
        bool, typer.Option("--media", help="Make a second one, with all pictures and videos in it.")
    ] = False,
    list_: Annotated[
        bool, typer.Option("--list", help="Print the backups, and make none.")
    ] = False,
) -> None:
    """Make a backup of the database now, into DATA_DIR/backups or BACKUP_URL. Works while
    everything runs."""
    with failures_end():
        if list_:
            from cli import backup_contents

            backup_contents.print_list()
        else:
            from cli import backup

            print(backup.make_backup(media=media))


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE")],
    yes: Annotated[
        bool, typer.Option("--yes", help="Do not ask before the database is replaced.")
    ] = False,
    replace: Annotated[
        bool,
        typer.Option("--replace", help="Replace a PostgreSQL database that has rows, too."),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what it holds and lacks, and change nothing.")
    ] = False,
) -> None:
    """Put a backup in the place of the database, which is kept beside it. Stop everything first."""
    from cli import backup_contents, restore

    with failures_end(), backup_contents.local(file) as here:
        if dry_run:
            backup_contents.print_contents(here)
            return
        about = restore.look_into(here)
        if not yes:
            typer.confirm(
                f"{here.name} has {about}. Everybody has to sign in again. Put it in place of the "
                "database?",
                abort=True,
            )
        print(restore.restore(here, replace=replace))


@app.command()
def after_restore(
    same: Annotated[
        bool,
        typer.Option("--same", help="Nobody used another copy since: keep sessions and jobs."),
    ] = False,
) -> None:
    """Make a database ready that was restored by other means, such as pg_restore: sessions end, and
    queued jobs are not paid for again."""
    from cli import after_restore

    with failures_end():
        print(after_restore.settle_now(same=same))


@app.command()
def move(
    to: Annotated[
        str, typer.Option("--to", help="postgresql://user:password@host:port/name, an empty one.")
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be moved, and write nothing.")
    ] = False,
) -> None:
    """Copy the DuckDB database into a PostgreSQL database, to go on there. Stop everything
    first."""
    from cli import move

    with failures_end():
        move.move(to, dry_run=dry_run)


@app.command()
def migrate(
    plan: Annotated[
        bool, typer.Option("--plan", help="Say what would be done, and change nothing.")
    ] = False,
) -> None:
    """Bring the database to the form that this version needs. Each start does it, too."""
    from cli import migrate

    with failures_end():
        if plan:
            migrate.print_plan()
            return
        print(migrate.migrate_now())


@media.command("move")
def move_media(
    to: Annotated[
        str, typer.Option("--to", metavar="URL", help="file:///folder or s3://bucket/prefix.")
    ],
    source: Annotated[
        str | None,
        typer.Option("--from", metavar="URL", help="Unset: the store in use (MEDIA_URL)."),
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Only read the target and compare it.")
    ] = False,
) -> None:
    """Copy all pictures and videos to another store, checked. Works while everything runs; run
    again, it takes the rest. Nothing is deleted."""
    from cli import media

    with failures_end():
        code = 0 if media.move(to, source, verify=verify) else 1
    sys.exit(code)


@media.command("forget")
def forget_media() -> None:
    """Give up pictures and videos that the store lacks since it changed: they leave galleries.
    Works while it runs, too."""
    from cli import media_rows

    with failures_end():
        files = media_rows.forget()
    print(
        f"{files} missing pictures and videos leave the galleries within a day. Any that come back "
        "into the store before then stay."
        if files
        else "The store lacks no picture or video since it changed."
    )


AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Try everything that this installation needs, and say what to do. Ends with 1 when something
    is wrong. Works while it runs, too."""
    from cli import doctor

    with failures_end():
        found = doctor.examine()
    print(doctor.as_json(found) if as_json else "\n".join(doctor.lines(found)))
    sys.exit(1 if any(one.state == "bad" for one in found) else 0)


@app.command()
def invariants(as_json: AsJson = False) -> None:
    """Look through all rows and files for what may never be, such as money without its booking, and
    say what to do. Ends with 1 when there is any. Changes nothing; works while it runs, too."""
    from cli import invariants

    with failures_end():
        found = invariants.look()
    print(invariants.as_json(found) if as_json else "\n".join(invariants.lines(found)))
    sys.exit(1 if any(one.state == "broken" for one in found.invariants) else 0)


@app.command()
def status(as_json: AsJson = False) -> None:
    """Say in a few lines what runs, what waits and when the last backup was made."""
    from cli import status

    with failures_end():
        found = status.status()
        print(found.model_dump_json(indent=2) if as_json else "\n".join(status.lines(found)))


def break_by(kind: str) -> None:
    @broken.command(
        kind,
        help=faults.KINDS[kind],
        # the module of the kind has the options, and says them
        context_settings={"ignore_unknown_options": True, "help_option_names": []},
    )
    def command(
        arguments: Annotated[list[str] | None, typer.Argument(metavar="[OPTIONS]")] = None,
    ) -> None:
        with failures_end():
            code = faults.run(kind, arguments or [])
        sys.exit(code)


for each in faults.KINDS:
    break_by(each)


secrets = typer.Typer(
    help="List all secrets with their age and place, never their value.",
    invoke_without_command=True,
)
app.add_typer(secrets, name="secrets")


@secrets.callback()
def list_secrets(context: typer.Context) -> None:
    """List all secrets with their age and place, never their value."""
    if context.invoked_subcommand is not None:
        return
    from cli import secrets

    with failures_end():
        for line in secrets.listed():
            print(line)


@secrets.command("rotate")
def rotate_secret(
    name: Annotated[str, typer.Argument(metavar="NAME")],
    leaked: Annotated[
        bool, typer.Option("--leaked", help="Accept the one before no longer.")
    ] = False,
) -> None:
    """Make a new secret of ours, and say who has to be restarted."""
    from cli import secrets

    with failures_end():
        print(secrets.rotate(name, leaked=leaked))


@app.command()
def bench(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Unset: all of them.")
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="Print the names, and run none.")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="Measure in short rounds.")] = False,
    write: Annotated[
        bool,
        typer.Option("--write", help="Write docs/benchmarks.md; without names it is written."),
    ] = False,
) -> None:
    """Measure the speed of the product on this machine, from its source code."""
    from cli import bench

    with failures_end():
        code = bench.bench(names or [], list_=list_, quick=quick, write=write)
    sys.exit(code)


def print_link(link: "AccountLinkOut", what: str) -> None:
    from cli import admin as admin_access

    assert link.expires_at is not None
    left = round((link.expires_at - datetime.now(UTC)).total_seconds() / 60)
    print(f"{what}, once, within {left} minutes:\n{admin_access.page_of(link)}")


@contextmanager
def failures_end() -> Iterator[None]:
    """End the process with a sentence where a person at the shell has to mend something."""
    try:
        yield
    except CommandRefused as error:
        print(error, file=sys.stderr)
        sys.exit(1)
    except BadSetting as error:
        print(f"Bad setting: {error}", file=sys.stderr)
        sys.exit(EXIT_BAD_SETTING)


if __name__ == "__main__":
    os.umask(0o077)
    run_to_end(lambda: app(prog_name="./run"))
