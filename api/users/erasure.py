"""Deleting an account with all that every domain holds of it."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import timedelta

from api import ids
from api.db import Db
from api.errors import NotFound
from api.users import audit
from api.users.service import UserService

Erase = Callable[[str], Awaitable[None]]
"""A domain's function that erases the user with this id. It is called again after a crash, so it
must bear that."""

SWEPT = timedelta(days=1)


class AccountEraser:
    """`contents` erase the user's messages and results, `records` the rest. `guests_of` gives the
    guests that a user was in chats before."""

    def __init__(
        self,
        db: Db,
        users: UserService,
        *,
        contents: Sequence[Erase],
        records: Sequence[Erase],
        guests_of: Callable[[str], Awaitable[Sequence[str]]],
    ) -> None:
        self._db = db
        self._users = users
        self._contents = contents
        self._records = records
        self._guests_of = guests_of

    async def erase(self, user_id: str, *, actor_id: str) -> None:
        """Raises `LastAdmin`, `NotFound`.

        The account is switched off first, so that nothing new arrives while the domains delete.
        After a crash in between, deleting again ends it.
        """
        user = await self._users.switch_off(user_id)
        await self._erase_all(user_id)
        async with self._db.transaction() as sql:
            await self._users.delete(sql, user, actor_id=actor_id)

    async def empty(self, user_id: str) -> None:
        """Delete the messages and results of a guest. The chat and the spend stay: otherwise
        deleting would be a new budget."""
        for erase in self._contents:
            await erase(user_id)
        async with self._db.transaction() as sql:
            await audit.record(sql, "user_emptied", actor_id=user_id, subject=user_id)

    async def sweep(self) -> None:
        """Erase lately deleted accounts once more: a request that was under way then may have
        written afterwards."""
        for user_id in await self._users.deleted_since(ids.now() - SWEPT):
            await self._erase_all(user_id)

    async def _erase_all(self, user_id: str) -> None:
        for guest_id in await self._guests_of(user_id):
            with suppress(NotFound):
                await self.erase(guest_id, actor_id=user_id)
        for erase in (*self._contents, *self._records):
            await erase(user_id)
