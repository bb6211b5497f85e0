"""The api that runs on this machine, as commands ask it: with the operator's key."""

from typing import TypeVar

from cli.errors import CommandRefused
from cli.ready import HostPort
from cli.settings import LaunchSettings, secrets_of
from client.call import Call
from client.errors import BAD_ANSWER, ApiError
from client.sign_in import with_key

NOT_FOUND = 404

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
        # another program may have the port
        if error.unsent or error.status == NOT_FOUND or error.code == BAD_ANSWER:
            raise NoApiRuns from error
        if error.unanswered:
            raise CommandRefused(
                f"The api at {place.url} does not answer. Try again, or stop it first."
            ) from error
        raise CommandRefused(error.detail) from error
