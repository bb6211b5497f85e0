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
    """Return the api's answer. Raises `NoApiRuns`, `CommandRefused`."""
    place = HostPort(launch.api_host, launch.api_port)
    try:
        with with_key(place.url, secrets_of(launch).operator_key) as api:
            return api.send(call)
    except ApiError as error:
        cause = error.__cause__
        # one that hangs, or is broken, has the database all the same
        if isinstance(cause, httpx.ConnectError) or error.status in OF_OTHERS:
            raise NoApiRuns from error
        if isinstance(cause, httpx.TransportError):
            raise CommandRefused(
                f"The api at {place.url} does not answer. Try again, or stop it first."
            ) from error
        raise CommandRefused(error.detail) from error
