"""The waiting cards of a platform's chats, as its bots keep them moving."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta

from api import ids
from api.db import Db
from api.deliveries.owners import Owners
from api.deliveries.schemas import AddressOut, OpenCardOut, OpenCardsIn
from api.deliveries.service import DeliveryService
from api.generations import store
from api.generations.announcer import target_of
from api.generations.reader import GenerationReader
from api.generations.store import Generation
from api.leases import Leases
from api.schemas import Platform

MOST = 200
"""Cards that move at a time. Older ones stand still."""
MOVING = timedelta(hours=2)
"""A card of an older request stands still."""


class OpenCards:
    def __init__(
        self,
        db: Db,
        leases: Leases,
        reader: GenerationReader,
        deliveries: DeliveryService,
        owners: Owners,
    ) -> None:
        self._db = db
        self._leases = leases
        self._reader = reader
        self._deliveries = deliveries
        self._owners = owners

    async def of_platform(self, platform: Platform, body: OpenCardsIn) -> list[OpenCardOut]:
        """Return the open cards, to one caller within `body.seconds`, and always those that the
        caller knows, which may have been closed meanwhile."""
        rows = {row.id: row for row in await store.with_cards(self._db, body.known)}
        found = await store.open_cards(self._db, platform, ids.now() - MOVING, MOST)
        if found and await self._leases.take(f"turn:{platform}:cards", ids.new_id(), body.seconds):
            rows |= {row.id: row for row in found}
        rows = {key: row for key, row in rows.items() if row.platform == platform}
        return await self._out(list(rows.values()))

    async def _out(self, rows: Sequence[Generation]) -> list[OpenCardOut]:
        ended = [row.id for row in rows if row.finished]
        coming = await self._deliveries.coming(ended) if ended else set()
        owners = {user: await self._owners.find(user) for user in {row.user_id for row in rows}}
        found = []
        for row, made in zip(rows, await self._reader.outs(rows), strict=True):
            target, owner = target_of(row), owners[row.user_id]
            if target is None:
                continue
            place = asdict(target) | {"card_message_id": row.card_message_id}
            del place["user_id"]
            found.append(
                OpenCardOut(
                    address=AddressOut(**place),
                    generation=made,
                    language=owner.language if owner else None,
                    closed=row.finished and row.id not in coming,
                )
            )
        return found
