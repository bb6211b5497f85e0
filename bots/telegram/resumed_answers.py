"""An answer that goes on after a kill: in the messages that it had shown, not in new ones beside
them."""

from dataclasses import replace

from bots.core.types import Address, Chat, Limits, Reply, SendFailed, Shown
from bots.telegram.update_files import Kept


class Resuming:
    """The chat, to the answer of one update. Each new text is noted with the update; after a kill
    the same text takes its place."""

    def __init__(self, chat: Chat, kept: Kept) -> None:
        self._chat = chat
        self._kept = kept
        self._before = list(kept.shown)
        self._now: list[list[str]] = []

    @property
    def limits(self) -> Limits:
        return self._chat.limits

    async def limits_for(self, to: Address) -> Limits:
        return await self._chat.limits_for(to)

    async def busy(self, to: Address) -> None:
        await self._chat.busy(to)

    async def show(self, to: Address, reply: Reply, replacing: Shown | None = None) -> Shown:
        if reply.files or reply.ask is not None or reply.gone:
            return await self._chat.show(to, reply, replacing)
        shown = await self._shown_before(to, reply) if replacing is None and self._before else None
        if shown is None:
            shown = await self._chat.show(to, reply, replacing)
        self._note(replacing, shown)
        return shown

    async def _shown_before(self, to: Address, reply: Reply) -> Shown | None:
        """None: it is not there any more."""
        place = Shown(tuple(self._before.pop(0)))
        try:
            return await self._chat.show(to, replace(reply, nonce=None), place)
        except SendFailed as failed:
            if not failed.final:
                self._before.insert(0, list(place.message_ids))
                raise
        return None

    def _note(self, replacing: Shown | None, shown: Shown) -> None:
        ids = list(shown.message_ids)
        if not ids or ids in self._now:
            return
        old = None if replacing is None else list(replacing.message_ids)
        self._now = [one for one in self._now if one != old] + [ids]
        self._kept.shown = self._now + self._before
        self._kept.save()
