"""Stops of answers that are being written, in this process or in another one: by the id of the
answer, or by the chat where it was asked for."""

import asyncio
from functools import partial

from api import errors
from api.budget.service import BudgetService
from api.callers import Caller
from api.schemas import usd
from api.text.answer import Answer
from api.text.desk import SUBJECT
from api.text.schemas import ChargeOut, StopIn, TextIn
from api.wake import Wake

STOP, STOPPED = "stop-answer", "answer-stopped"
STOP_SECONDS = 5.0
"""Seconds to wait until a stopped answer is settled."""


class Stops:
    """Answers that run here, by all names that a stop may use. Other processes are asked by a ring
    for the name, and ring once the answer has ended."""

    def __init__(self, budget: BudgetService, wake: Wake) -> None:
        self._budget = budget
        self._wake = wake
        self._running: dict[str, list[Answer]] = {}

    def begin(self, running: Answer, caller: Caller, body: TextIn) -> None:
        """Let an answer be stopped from now on, until `end`."""
        running.names = (running.id, *_names(caller, body.chat_thread or "", body.chat_message))
        for name in running.names:
            self._running.setdefault(name, []).append(running)
            self._wake.call(f"{STOP}:{name}", partial(self._as_told, name))

    def end(self, running: Answer) -> None:
        for name in running.names:
            same = self._running[name]
            same.remove(running)
            if not same:
                del self._running[name]
                self._wake.call(f"{STOP}:{name}", None)

    async def by_id(self, user_id: str, answer_id: str) -> ChargeOut:
        """Stop an answer of the user's, and return what was booked for it; also when it was over
        already. Raises `NotFound`."""
        subject = SUBJECT + answer_id
        booked = await self._budget.booked(user_id, subject)
        if booked is None:
            raise errors.NotFound("answer_unknown")
        stopped = booked.is_open and await self._stop(answer_id)
        if booked.is_open:
            booked = await self._budget.booked(user_id, subject) or booked
        charged = None if booked.is_open else usd(booked.paid_micro)
        return ChargeOut(charged_usd=charged, stopped=stopped)

    async def in_chat(self, caller: Caller, body: StopIn) -> None:
        """Stop the newest answer that is being written to the caller in the chat. Raises
        `NotFound` when there is none."""
        names = _names(caller, body.thread, body.message)
        if not names:
            raise errors.InvalidRequest("conversation_of_bots", field="thread")
        name = names[-1]
        # others are asked only while there may be an answer: the wait for none is long
        may_be = name in self._running or await self._budget.has_open(caller.user_id, SUBJECT)
        if not may_be or not await self._stop(name):
            raise errors.NotFound("answer_unknown")

    async def _stop(self, name: str) -> bool:
        """Stop the newest answer of this name, and tell whether one has ended by that."""
        if here := self._running.get(name):
            running = here[-1]
            running.stop(by_reader=True)
            assert running.task is not None
            await asyncio.wait({running.task}, timeout=STOP_SECONDS)
            return True
        if not self._wake.hears_others:
            return False
        with self._wake.listen(f"{STOPPED}:{name}") as stopped:
            self._wake.ring(f"{STOP}:{name}")
            return await stopped.wait(STOP_SECONDS)

    def _as_told(self, name: str) -> None:
        """Stop an answer because another process was asked to, and say so at its end."""
        running = self._running[name][-1]
        running.stop(by_reader=True)
        if running.task is not None:
            running.task.add_done_callback(lambda _: self._wake.ring(f"{STOPPED}:{name}"))


def _names(caller: Caller, thread: str, message: str | None) -> tuple[str, ...]:
    """Return the names by which a person may stop an answer in a chat: any, or that to a message.
    Empty: the caller is in no chat."""
    if caller.platform is None or caller.chat_id is None:
        return ()
    chat = f"{caller.user_id}:{caller.platform}:{caller.chat_id}"
    named = () if message is None else (f"{chat}:message:{message}",)
    return (f"{chat}:thread:{thread}", *named)
