"""The people whose results the outbox carries, as it knows them."""

from collections.abc import Sequence
from dataclasses import dataclass

from api.links.service import LinkService, PrivateChat
from api.users.preferences import Preferences
from api.users.service import UserService


@dataclass(frozen=True, slots=True)
class Owner:
    """`guest`: an account that a chat made by itself, with which nobody can sign in to the web."""

    language: str
    spoiler: bool
    guest: bool


class Owners:
    def __init__(self, users: UserService, preferences: Preferences, links: LinkService) -> None:
        self._users = users
        self._preferences = preferences
        self._links = links

    async def find(self, user_id: str | None) -> Owner | None:
        """Return the owner; None when there is no such account."""
        user = await self._users.find(user_id) if user_id is not None else None
        if user is None:
            return None
        return Owner(user.speaks, await self._preferences.spoiler(user.id), user.guest)

    async def chats(self, user_id: str, platform: str) -> Sequence[PrivateChat]:
        """Return the private chats that this user linked on a platform, the newest first."""
        return await self._links.chats(user_id, platform)

    async def names(self, user_ids: Sequence[str]) -> dict[str, str]:
        """Return e-mail addresses or names, by id."""
        return await self._users.names(user_ids)
