"""`./run admin`: links for admins and for new passwords, made through the api while it runs, else
on the database itself."""

import asyncio

from pydantic import ValidationError

from api.budget.service import BudgetService
from api.database import open_database
from api.errors import DomainError
from api.internal_routes import Shell
from api.start_errors import CannotStart
from api.users.passwords import Passwords
from api.users.service import UserService
from cli.errors import CommandRefused
from cli.ready import HostPort
from cli.running_api import NoApiRuns, call_api
from cli.settings import LaunchSettings, api_settings, load
from client import calls
from client.schemas.admin import AccountLinkOut, AccountResetIn, AdminIn


def create_admin(email: str, *, promote: bool) -> AccountLinkOut:
    """Return a link, or the state `user` of an account that becomes an admin only with `promote`.
    Raises `CommandRefused`, `BadSetting`."""
    return _ask(_checked(AdminIn, email=email, promote=promote))


def reset_password(email: str) -> AccountLinkOut:
    """Raises `CommandRefused`, `BadSetting`."""
    return _ask(_checked(AccountResetIn, email=email))


def page_of(link: AccountLinkOut) -> str:
    """Return the address of the page that takes this link's token."""
    launch = load(LaunchSettings)
    web = launch.public_url or HostPort(launch.web_host, launch.web_port).url
    page = "register?invite" if link.state == "invite" else "reset?token"
    return f"{web.rstrip('/')}/{page}={link.token}"


def _checked(
    model: type[AdminIn] | type[AccountResetIn], **given: object
) -> AdminIn | AccountResetIn:
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise CommandRefused("This is not an e-mail address.") from error


def _ask(body: AdminIn | AccountResetIn) -> AccountLinkOut:
    launch = load(LaunchSettings)
    call = calls.admin_link(body) if isinstance(body, AdminIn) else calls.password_link(body)
    try:
        return call_api(launch, call)
    except NoApiRuns:
        return asyncio.run(_directly(launch, body))


async def _directly(launch: LaunchSettings, body: AdminIn | AccountResetIn) -> AccountLinkOut:
    settings = api_settings(launch)
    try:
        db = await open_database(settings)
    except CannotStart as error:
        url = HostPort(launch.api_host, launch.api_port).url
        hint = (
            ""
            if error.final
            else f" If an api has it, set API_PORT as for that api: none answers at {url}."
        )
        raise CommandRefused(f"{error}{hint}") from error
    try:
        users = UserService(
            db,
            passwords=Passwords(),
            figures=BudgetService(db, None),
            monthly_usd=settings.default_monthly_usd,
            guest_monthly_usd=settings.guest_monthly_usd,
        )
        shell = Shell(db, users)
        return await (
            shell.create_admin(body) if isinstance(body, AdminIn) else shell.reset_password(body)
        )
    except DomainError as error:
        raise CommandRefused(error.detail) from error
    finally:
        await db.close()
