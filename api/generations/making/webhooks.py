"""Webhooks of the provider about finished videos. They are hints only: the worker asks for the
truth."""

import json
import re
from typing import Any

from structlog import get_logger

from api.db import Db, Duplicate, Sql
from api.errors import InvalidRequest, NotAuthenticated, NotFound
from api.fault_points import fault_point
from api.generations import store, transitions
from api.generations.store import Generation
from api.ids import now
from api.provider.webhooks import verify
from api.wake import Wake

log = get_logger("webhooks")

_TYPE = re.compile(r"[a-z0-9._-]{1,100}")
_PROVIDER_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")


class Webhooks:
    """`secret` None: webhooks are off."""

    def __init__(self, db: Db, wake: Wake, secret: str | None) -> None:
        self._db = db
        self._wake = wake
        self._secret = secret

    async def receive(self, token: str, signature: str, body: bytes) -> None:
        """Store each event once and wake its generation. Of the body only the provider's id is
        believed."""
        if self._secret is None:
            raise NotFound("webhooks_off")
        if not verify(self._secret, signature, body, now().timestamp()):
            raise NotAuthenticated("signature_wrong")
        event_type, provider_id = _read(body)
        row = await store.by_callback(self._db, token)
        event = (f"{provider_id}:{event_type}", row.id if row else None)
        try:
            # one commit: the video's chat waits for it
            async with self._db.transaction() as sql:
                await store.add_event(sql, *event, body.decode(errors="replace"), now())
                await _nudge(sql, row, provider_id)
        except Duplicate:
            log.info("webhook_repeated", provider_id=provider_id)
            await _nudge(self._db, row, provider_id)
        fault_point("hooked")
        if row is None:
            log.warning("webhook_for_unknown_job", provider_id=provider_id)
        else:
            self._wake.ring("polls")


async def _nudge(sql: Sql, row: Generation | None, provider_id: str) -> None:
    if row is None:
        return
    if row.phase != "poll":  # from there its answer cannot get lost any more
        await transitions.adopt_provider_id(sql, row.id, provider_id, now())
    await transitions.nudge(sql, row.id, now())


def _read(body: bytes) -> tuple[str, str]:
    try:
        event: Any = json.loads(body)
        event_type, provider_id = str(event["type"]), str(event["data"]["id"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InvalidRequest("not_of_provider") from error
    if not _TYPE.fullmatch(event_type):
        raise InvalidRequest("not_of_provider")
    if not _PROVIDER_ID.fullmatch(provider_id):
        raise InvalidRequest("not_of_provider")
    return event_type, provider_id
