"""The calls that a bot makes to the api, counted by their routes."""

import asyncio
import re

import httpx

BESIDE = (
    "/bot/processes",
    "/bot/deliveries",
    "/bot/profile",
    "/bot/turns",
    "/bot/cards",
    "/bot/places",
    "/healthz",
)
"""Calls that no command causes, and the rules of a place, which hold for a while once known."""
KEEPING = "/bot/updates"
_ID = re.compile(r"/[0-9a-f]{8}-[0-9a-f-]{27}(?=/|$)")


class CallLog:
    """`keeping`: calls that keep an update until it is answered; `asking`: those of commands."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.asking: list[str] = []
        self.keeping: list[str] = []
        http.event_hooks["request"].append(self._note)

    async def _note(self, request: httpx.Request) -> None:
        path = _ID.sub("/{id}", request.url.path)
        if not path.startswith(BESIDE):
            calls = self.keeping if path.startswith(KEEPING) else self.asking
            calls.append(f"{request.method} {path}")

    def clear(self) -> None:
        self.asking.clear()
        self.keeping.clear()

    async def until(self, call: str) -> None:
        """Return once this call was made."""
        async with asyncio.timeout(20):
            while call not in [*self.asking, *self.keeping]:  # noqa: ASYNC110 - a list tells nobody
                await asyncio.sleep(0.01)
