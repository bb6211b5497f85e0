"""What the outbox has to know of the people whose results it carries."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from api.links.service import PrivateChat
from api.users.preferences import Preferences
from api.users.service import UserService


@dataclass(frozen=True, slots=True)
class Owner:
    """`guest`: an account that a chat made by itself, with which nobody can sign in to the web."""

    language: str
    spoiler: bool
    guest: bool


class Owners(Protocol):
    async def find(self, user_id: str | None) -> Owner | None:
        """None when there is no such account."""
        ...

    async def chats(self, user_id: str, platform: str) -> Sequence[PrivateChat]:
        """The private chats that this user linked on a platform, the newest first."""
        ...

    async def names(self, user_ids: Sequence[str]) -> dict[str, str]:
        """E-mail address or name, by id."""
        ...


class Accounts:
    """The owners as the other domains know them."""

    def __init__(
        self,
        users: UserService,
        preferences: Preferences,
        chats: Callable[[str, str], Awaitable[Sequence[PrivateChat]]],
    ) -> None:
        self._users = users
        self._preferences = preferences
        self._chats = chats

    async def find(self, user_id: str | None) -> Owner | None:
        user = await self._users.find(user_id) if user_id is not None else None
        if user is None:
            return None
        return Owner(user.speaks, await self._preferences.spoiler(user.id), user.guest)

    async def chats(self, user_id: str, platform: str) -> Sequence[PrivateChat]:
        return await self._chats(user_id, platform)

    async def names(self, user_ids: Sequence[str]) -> dict[str, str]:
        return await self._users.names(user_ids)
