"""What `./run admin` and `./run bot-key` do: through the api while it runs, on the database itself
otherwise."""

import asyncio
import logging

import httpx
from pydantic import ValidationError

from api import log
from api.budget.service import BudgetService
from api.command_line import AdminIn, LinkOut, ResetIn, Shell
from api.database import open_database
from api.errors import DomainError
from api.secrets import SecretsUnusable, renew_bot_key
from api.settings import Settings
from api.start_errors import CannotStart
from api.users.passwords import Passwords
from api.users.service import UserService
from cli.ready import Place
from cli.settings import BadSetting, LaunchSettings, load, secrets_of
from client.schemas import Platform

ANSWER_WITHIN = 30.0


class Refused(Exception):
    """It was not done. The text says why, for the person at the shell."""


def create_admin(email: str, *, promote: bool) -> LinkOut:
    """State `user`: there is an account, and it was not asked to `promote` it. Raises `Refused`,
    `BadSetting`."""
    return _ask("admins", _checked(AdminIn, email=email, promote=promote))


def reset_password(email: str) -> LinkOut:
    """Raises `Refused`, `BadSetting`."""
    return _ask("password-resets", _checked(ResetIn, email=email))


def renew(platform: Platform) -> bool:
    """A new key for the platform's bot; whether the running api knows it. Raises `BadSetting`."""
    launch = load(LaunchSettings)
    try:
        renew_bot_key(launch.data_dir, platform)
    except SecretsUnusable as error:
        raise BadSetting(f"DATA_DIR: {error}") from error
    return call_api(launch, "bot-keys") is not None


def page_of(link: LinkOut) -> str:
    """Where the web takes this link's token."""
    launch = load(LaunchSettings)
    web = launch.public_url or Place(launch.web_host, launch.web_port).url
    page = "register?invite" if link.state == "invite" else "reset?token"
    return f"{web.rstrip('/')}/{page}={link.token}"


def _checked(model: type[AdminIn] | type[ResetIn], **given: object) -> AdminIn | ResetIn:
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise Refused("This is not an e-mail address.") from error


def _ask(path: str, body: AdminIn | ResetIn) -> LinkOut:
    launch = load(LaunchSettings)
    answer = call_api(launch, path, body)
    return (
        LinkOut.model_validate_json(answer)
        if answer is not None
        else asyncio.run(_directly(launch, body))
    )


def call_api(
    launch: LaunchSettings,
    path: str,
    body: AdminIn | ResetIn | None = None,
    within: float = ANSWER_WITHIN,
) -> bytes | None:
    """What the api answers; None when none runs that has our secrets. Raises `Refused`."""
    place = Place(launch.api_host, launch.api_port)
    headers = {
        "Authorization": f"Bearer {secrets_of(launch).operator_key}",
        "Content-Type": "application/json",
    }
    content = body.model_dump_json() if body is not None else ""
    try:
        # no proxy: the key goes to this machine only
        with httpx.Client(trust_env=False, timeout=within) as client:
            answer = client.post(f"{place.url}/internal/{path}", content=content, headers=headers)
    except httpx.ConnectError:
        return None
    except httpx.TransportError as error:
        raise Refused(
            f"The api at {place.url} does not answer. Try again, or stop it first."
        ) from error
    if answer.is_success:
        return answer.content
    if answer.status_code in {404, 405, 501}:
        return None
    raise Refused(_detail(answer))


def _detail(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return f"The api answered with {answer.status_code}."


async def _directly(launch: LaunchSettings, body: AdminIn | ResetIn) -> LinkOut:
    log.configure(logging.ERROR)
    settings = load(Settings, launch.given("api", secrets_of(launch)))
    try:
        db = await open_database(settings)
    except CannotStart as error:
        url = Place(launch.api_host, launch.api_port).url
        hint = (
            ""
            if error.final
            else f" If an api has it, set API_PORT as for that api: none answers at {url}."
        )
        raise Refused(f"{error}{hint}") from error
    try:
        users = UserService(
            db,
            passwords=Passwords(),
            figures=BudgetService(db, None),
            monthly_usd=settings.default_monthly_usd,
            guest_monthly_usd=settings.guest_monthly_usd,
            erasers=[],
        )
        shell = Shell(db, users)
        return await (
            shell.create_admin(body) if isinstance(body, AdminIn) else shell.reset_password(body)
        )
    except DomainError as error:
        raise Refused(error.detail) from error
    finally:
        await db.close()
