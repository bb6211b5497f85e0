"""Calls of the operator's shell on the API's own machine, with its key: `./run admin ...`,
`./run bot-key`, `./run backup`, `./run doctor`, `./run invariants`, `./run status` and
`./run media`."""

from client.call import Call
from client.schemas.admin import (
    AccountLinkOut,
    AccountResetIn,
    AdminIn,
    BackupOut,
    MissingFilesOut,
    NamedFilesOut,
)
from client.schemas.check_up import CheckUpOut, InstallationOut, InvariantsOut

BACKING_UP = 600.0
CHECKING = 30.0
COMPARING = 600.0
"""For all rows and all files."""


def admin_link(body: AdminIn) -> Call[AccountLinkOut]:
    return Call("POST", "/internal/admins", AccountLinkOut, body=body)


def password_link(body: AccountResetIn) -> Call[AccountLinkOut]:
    return Call("POST", "/internal/password-resets", AccountLinkOut, body=body)


def adopt_bot_keys() -> Call[None]:
    return Call("POST", "/internal/bot-keys")


def back_up() -> Call[BackupOut]:
    return Call("POST", "/internal/backups", BackupOut, within=BACKING_UP)


def check_up_from_shell() -> Call[CheckUpOut]:
    return Call("POST", "/internal/check-up", CheckUpOut, within=CHECKING)


def invariants() -> Call[InvariantsOut]:
    return Call("GET", "/internal/invariants", InvariantsOut, within=COMPARING)


def status() -> Call[InstallationOut]:
    return Call("GET", "/internal/status", InstallationOut, within=CHECKING)


def forget_missing_files() -> Call[MissingFilesOut]:
    return Call("POST", "/internal/media/missing/forget", MissingFilesOut)


def named_files(folder: str) -> Call[NamedFilesOut]:
    return Call("GET", "/internal/media/named", NamedFilesOut, query={"folder": folder})
