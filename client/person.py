"""The api for one person in one chat: one method for each endpoint that commands use, in the api's
own types. All raise `ApiError`."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import httpx
from pydantic import BaseModel, ValidationError

from client.bot import BotApi, Who, read
from client.errors import BAD_ANSWER, ApiError, unavailable
from client.patience import Patience, Waiting
from client.schemas import Kind, MediaKind, Page
from client.schemas.catalog import ModelOut
from client.schemas.generations import (
    AgainIn,
    CardIn,
    EstimateIn,
    EstimateOut,
    FavouriteIn,
    GenerationOut,
    GenerationStatus,
    ImageIn,
    UploadOut,
    VideoFromImageIn,
    VideoIn,
)
from client.schemas.links import ReportedOut, ReportIn
from client.schemas.text import (
    ChargeOut,
    DeltaEvent,
    DoneEvent,
    ErrorEvent,
    NewConversationIn,
    StartEvent,
    TextIn,
    ThinkingEvent,
)
from client.schemas.users import PreferencesIn, PreferencesOut, ProfileIn, UserOut

PAGE = 100

TextEvent = StartEvent | ThinkingEvent | DeltaEvent | DoneEvent | ErrorEvent
_TEXT_EVENTS: dict[str, type[TextEvent]] = {
    "start": StartEvent,
    "thinking": ThinkingEvent,
    "delta": DeltaEvent,
    "done": DoneEvent,
    "error": ErrorEvent,
}


class UserApi:
    """The api for one person in one chat. Paid calls carry the update's id, so that an update
    handled twice is paid once. No call takes silence for an answer, see `client.patience`."""

    def __init__(self, bot: BotApi, who: Who, patience: Patience | None = None) -> None:
        """Without a patience of its own it has that of `bot`."""
        self._bot = bot
        self._who = who
        self._uploads = 0
        self.waiting = Waiting(
            bot.waiters, (who.update_id.partition(":")[0], who.chat_id), patience
        )

    @property
    def who(self) -> Who:
        return self._who

    async def me(self) -> UserOut:
        return read(UserOut, await self._call("GET", "/users/me"))

    async def change_me(self, change: ProfileIn) -> UserOut:
        changed = read(UserOut, await self._call("PUT", "/users/me", body=change))
        self._bot.forget(self._who)
        return changed

    async def export(self, most: int) -> bytes:
        """A guest's everything, as a zip. Raises `ApiError` with code `too_large` beyond `most`
        bytes."""
        return await self._bot.bytes_of("/users/me/export", most, await self._bot.act(self._who))

    async def erase(self) -> None:
        """What a guest has said and got."""
        await self._call("DELETE", "/users/me")

    async def preferences(self) -> PreferencesOut:
        return read(PreferencesOut, await self._call("GET", "/users/me/preferences"))

    async def prefer(self, change: PreferencesIn) -> PreferencesOut:
        """What is not given stays."""
        return read(PreferencesOut, await self._call("PUT", "/users/me/preferences", body=change))

    async def report(self, report: ReportIn) -> ReportedOut:
        """Tells the admins."""
        return read(ReportedOut, await self._call("POST", "/users/me/reports", body=report))

    async def unlink(self, platform: str) -> None:
        """Takes this person's identity on the platform off its account."""
        await self._call(
            "DELETE", f"/links/{_segment(platform)}/{_segment(self._who.platform_user_id)}"
        )

    async def models(self, kind: Kind) -> list[ModelOut]:
        """All that this person may use, the default first."""
        found: list[ModelOut] = []
        params = {"kind": kind, "limit": str(PAGE)}
        while True:
            page = read(Page[ModelOut], await self._call("GET", "/models", params=params))
            found += page.items
            if page.next_cursor is None:
                return found
            params["cursor"] = page.next_cursor

    async def estimate(self, ask: EstimateIn) -> EstimateOut:
        return read(EstimateOut, await self._call("POST", "/generate/estimate", body=ask))

    async def text(self, ask: TextIn) -> AsyncGenerator[TextEvent, None]:
        """The events of a streamed answer; `done` or `error` is the last. Closing it ends the
        answer at the provider, too. After a stream that was cut it is asked for once more with the
        same key: another `start` begins it anew."""
        headers = {"Idempotency-Key": self._who.update_id}
        fresh = False
        while True:
            await self.waiting.turn()
            try:
                async with aclosing(self._text(ask, headers, fresh=fresh)) as events:
                    async for event in events:
                        if not isinstance(event, StartEvent):
                            self.waiting.known()
                        yield event
                return
            except ApiError as error:
                fresh = error.status == 401 and not fresh
                if not fresh:
                    await self.waiting.after(error)

    async def stop_text(self, answer_id: str) -> ChargeOut:
        """End an answer, and learn what was booked for it."""
        return read(
            ChargeOut, await self._call("POST", f"/generate/text/{_segment(answer_id)}/stop")
        )

    async def new_conversation(self, new: NewConversationIn) -> None:
        """The next question in this chat begins another conversation."""
        await self._call("POST", "/conversations/new", body=new)

    async def image(self, ask: ImageIn) -> GenerationOut:
        return read(
            GenerationOut, await self._paid("/generate/image", ask, {"Prefer": "respond-async"})
        )

    async def video(self, ask: VideoIn) -> GenerationOut:
        return read(GenerationOut, await self._paid("/generate/video", ask))

    async def video_from_image(self, ask: VideoFromImageIn) -> GenerationOut:
        return read(GenerationOut, await self._paid("/generate/video/from-image", ask))

    async def again(self, generation_id: str, ask: AgainIn) -> GenerationOut:
        """The same request once more, with changes."""
        return read(
            GenerationOut, await self._paid(f"/generations/{_segment(generation_id)}/again", ask)
        )

    async def confirm(self, draft_id: str) -> GenerationOut:
        """What was answered with `confirm_cost`."""
        return read(
            GenerationOut,
            await self._call("POST", f"/generations/drafts/{_segment(draft_id)}/confirm"),
        )

    async def upload(self, name: str, content_type: str, data: bytes) -> UploadOut:
        self._uploads += 1
        headers = {"Idempotency-Key": f"{self._who.update_id}:{self._uploads}"}
        return read(
            UploadOut,
            await self._call(
                "POST", "/uploads", files={"file": (name, data, content_type)}, headers=headers
            ),
        )

    async def generations(
        self, limit: int, status: GenerationStatus | None = None, kind: MediaKind | None = None
    ) -> list[GenerationOut]:
        """The newest first."""
        params = (
            {"limit": str(limit)}
            | ({"status": status} if status else {})
            | ({"kind": kind} if kind else {})
        )
        return read(
            Page[GenerationOut], await self._call("GET", "/generations", params=params)
        ).items

    async def generation(self, generation_id: str) -> GenerationOut:
        """By id or short id."""
        return read(
            GenerationOut, await self._call("GET", f"/generations/{_segment(generation_id)}")
        )

    async def cancel(self, generation_id: str) -> GenerationOut:
        """By id or short id."""
        return read(
            GenerationOut,
            await self._call("POST", f"/generations/{_segment(generation_id)}/cancel"),
        )

    async def delete(self, generation_id: str) -> None:
        await self._call("DELETE", f"/generations/{_segment(generation_id)}")

    async def favourite(self, generation_id: str, favourite: bool) -> GenerationOut:
        answer = await self._call(
            "PUT",
            f"/generations/{_segment(generation_id)}/favourite",
            body=FavouriteIn(favourite=favourite),
        )
        return read(GenerationOut, answer)

    async def card(self, generation_id: str, card: CardIn) -> None:
        """Told until the api knows it, as nobody else will."""
        await self._call(
            "PUT", f"/generations/{_segment(generation_id)}/card", harmless=True, body=card
        )

    async def _paid(
        self, path: str, body: BaseModel, headers: dict[str, str] | None = None
    ) -> httpx.Response:
        return await self._call(
            "POST",
            path,
            body=body,
            headers={"Idempotency-Key": self._who.update_id} | (headers or {}),
        )

    async def _call(
        self, method: str, path: str, *, harmless: bool = False, **rest: Any
    ) -> httpx.Response:
        """`harmless`: it may be repeated for as long as it takes."""

        async def ask() -> httpx.Response:
            try:
                return await self._bot.call(method, path, await self._token(), **rest)
            except ApiError as error:
                if error.status != 401:
                    raise
            return await self._bot.call(method, path, await self._token(fresh=True), **rest)

        return await self.waiting.until_known(ask, harmless=harmless)

    async def _token(self, *, fresh: bool = False) -> str:
        try:
            return await self._bot.act(self._who, fresh=fresh, patient=self.waiting.began.is_set())
        except ApiError as error:
            error.unsent = True  # what it is for was not asked yet
            raise

    async def _text(
        self, ask: TextIn, headers: dict[str, str], fresh: bool
    ) -> AsyncGenerator[TextEvent, None]:
        token = await self._token(fresh=fresh)
        async with aclosing(self._bot.events("/generate/text", token, ask, headers)) as events:
            async for event in events:
                kind = _TEXT_EVENTS.get(event.event)
                if kind is None:
                    continue
                try:
                    told = kind.model_validate_json(event.data)
                except ValidationError as error:
                    raise ApiError(BAD_ANSWER, f"event {event.event} of a text stream") from error
                yield told
                if isinstance(told, DoneEvent | ErrorEvent):
                    return
        raise unavailable(EOFError("the text stream ended early"))


def _segment(text: str) -> str:
    """A part of a path; people type ids, so anything that would lead elsewhere in the api is
    refused."""
    if not text or not text.replace("-", "").isalnum() or not text.isascii():
        raise ApiError("not_found", "There is no such job.", status=404)
    return text
