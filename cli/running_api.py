"""The api that runs on this machine, as commands ask it: with the operator's key."""

import httpx
from pydantic import BaseModel

from cli.errors import CommandRefused
from cli.ready import HostPort
from cli.settings import LaunchSettings, secrets_of

ANSWER_WITHIN = 30.0


def call_api(
    launch: LaunchSettings,
    path: str,
    body: BaseModel | None = None,
    within: float = ANSWER_WITHIN,
) -> bytes | None:
    """Return the api's answer; None when no api runs that has our secrets. Raises
    `CommandRefused`."""
    place = HostPort(launch.api_host, launch.api_port)
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
        raise CommandRefused(
            f"The api at {place.url} does not answer. Try again, or stop it first."
        ) from error
    if answer.is_success:
        return answer.content
    if answer.status_code in {404, 405, 501}:
        return None
    raise CommandRefused(_detail(answer))


def _detail(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return f"The api answered with {answer.status_code}."
