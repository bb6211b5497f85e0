"""The api that runs on this machine, as commands ask it: with the operator's key."""

from typing import TypeVar

import httpx

from cli.errors import CommandRefused
from cli.ready import HostPort
from cli.settings import LaunchSettings, secrets_of
from client.call import Call
from client.errors import ApiError
from client.sign_in import with_key

OF_OTHERS = {404, 405, 501}
"""Statuses of another program that has the port, or of an older api."""

T = TypeVar("T")


class NoApiRuns(Exception):
    """None, at least, that has our secrets."""


def call_api(launch: LaunchSettings, call: Call[T]) -> T:
    """Return the answer of the api on this machine, else of the one at `API_URL`. Raises
    `NoApiRuns`, `CommandRefused`."""
    here = HostPort(launch.api_host, launch.api_port).url
    if launch.api_url is None:
        return _call(here, launch, call)
    try:
        return _call(here, launch, call)
    except NoApiRuns:
        return _call(launch.api_url, launch, call)


def _call(url: str, launch: LaunchSettings, call: Call[T]) -> T:
    try:
        with with_key(url, secrets_of(launch).operator_key) as api:
            return api.send(call)
    except ApiError as error:
        cause = error.__cause__
        # one that hangs, or is broken, has the database all the same
        if isinstance(cause, httpx.ConnectError) or error.status in OF_OTHERS:
            raise NoApiRuns from error
        if isinstance(cause, httpx.TransportError):
            raise CommandRefused(
                f"The api at {url} does not answer. Try again, or stop it first."
            ) from error
        raise CommandRefused(error.detail) from error
