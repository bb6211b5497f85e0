"""Requests for images and videos: checked, priced, held and queued for the worker."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import cast

from api.budget.moves import Group
from api.budget.service import BudgetService, group_of
from api.callers import Caller
from api.catalog.service import Catalog
from api.db import Db, Duplicate, Sql, repeated
from api.errors import (
    AlreadyFinished,
    ConfirmCost,
    Conflict,
    DomainError,
    InvalidRequest,
    NotAllowed,
    NotFound,
    PriceUnknown,
    TooManyJobs,
    kept_error,
)
from api.fault_points import fault_point
from api.generations import store, transitions
from api.generations.accepting import drafts
from api.generations.accepting.drafts import Draft
from api.generations.accepting.repeat import Request, checked_options, fitting, request_of
from api.generations.accepting.request import (
    CheckedRequest,
    Origin,
    body_hash,
    check_address,
    estimate_of,
    new_row,
)
from api.generations.announcer import Announcer
from api.generations.erasure import GenerationEraser
from api.generations.reader import GenerationReader
from api.generations.schemas import (
    AddressIn,
    AgainIn,
    EstimateIn,
    EstimateOut,
    GenerationOut,
    ImageIn,
    Mode,
    VideoFromImageIn,
)
from api.generations.store import Generation, Input
from api.ids import new_id, now
from api.media.service import MediaService
from api.places.service import PlaceService
from api.schemas import MediaKind, usd
from api.text import idempotency
from api.text.estimates import TextEstimates
from api.users.preferences import Preferences
from api.users.service import UserService
from api.wake import Wake

UNFINISHED_MAX = 10
LOOK_EVERY, LOOK_EVERY_UNHEARD = 10.0, 1.0


class GenerationService:
    def __init__(
        self,
        db: Db,
        wake: Wake,
        users: UserService,
        preferences: Preferences,
        places: PlaceService,
        catalog: Catalog,
        budget: BudgetService,
        media: MediaService,
        announcer: Announcer,
        eraser: GenerationEraser,
        reader: GenerationReader,
        *,
        sandbox: bool,
    ) -> None:
        self._db = db
        self._wake = wake
        self._users = users
        self._preferences = preferences
        self._places = places
        self._catalog = catalog
        self._budget = budget
        self._media = media
        self._announcer = announcer
        self._eraser = eraser
        self._sandbox = sandbox
        self.reader = reader
        self._texts = TextEstimates(media.documents)

    async def create(
        self,
        caller: Caller,
        body: Request,
        origin: Origin,
        parent_id: str | None = None,
        hashed: str | None = None,
    ) -> Generation:
        """Accept the request and hold its money. None of the errors charges anything. `hashed`: the
        hash of the request as it came, when `body` is the result of changes to it."""
        hashed = hashed or body_hash(body, parent_id)
        if earlier := await self._earlier(caller, hashed, origin):
            return earlier
        kind: MediaKind = "image" if isinstance(body, ImageIn) else "video"
        model = await self._preferences.model(caller.user_id, caller.role, kind, body.model)
        asked_in = await self._places.asked_in(caller, kind)
        if asked_in is not None:
            model = asked_in.check(model, body.model, [body.prompt])
        options = checked_options(model, body)
        inputs: tuple[Input, ...] = ()
        made_by = None
        if isinstance(body, ImageIn):
            inputs, made_by = await self._own_images(caller.user_id, body.input_images or ())
        elif isinstance(body, VideoFromImageIn):
            inputs, made_by = await self._frames(caller.user_id, body)
        mode = cast(Mode, f"{'image' if inputs else 'text'}_to_{kind}")
        parent = parent_id or made_by
        asked = CheckedRequest(model, mode, options, inputs, body, hashed, parent, asked_in)
        return await self._accept(caller, asked, origin)

    async def again(
        self, caller: Caller, generation_id: str, body: AgainIn, origin: Origin
    ) -> Generation:
        """Make the same request once more, with changes; the earlier generation is the parent."""
        row = await self.reader.owned(caller.user_id, generation_id)
        return await self.repeat(caller, row, body, origin)

    async def repeat(
        self, caller: Caller, row: Generation, body: AgainIn, origin: Origin
    ) -> Generation:
        request = request_of(row, body)
        if body.changes.model is not None:
            model = self._catalog.resolve(row.kind, request.model, caller.role)
            request = fitting(model, request, body.changes.model_fields_set)
        return await self.create(caller, request, origin, row.id)

    async def _own_images(
        self, user_id: str, ids: Sequence[str]
    ) -> tuple[tuple[Input, ...], str | None]:
        """And the generation that the first result among them came from."""
        made_by = [await self._media.check_input(user_id, media_id) for media_id in ids]
        return tuple(Input(media_id) for media_id in ids), next(filter(None, made_by), None)

    async def _frames(
        self, user_id: str, body: VideoFromImageIn
    ) -> tuple[tuple[Input, ...], str | None]:
        """And the generation that the first result among them came from."""
        if body.last_image_id is None:
            first, made_by = await self._frame(user_id, body)
            return (Input(first, "first_frame"),), made_by
        last_by = await self._media.check_input(user_id, body.last_image_id)
        first, first_by = await self._frame(user_id, body)
        frames = (Input(first, "first_frame"), Input(body.last_image_id, "last_frame"))
        return frames, first_by or last_by

    async def _frame(self, user_id: str, body: VideoFromImageIn) -> tuple[str, str | None]:
        """A URL is fetched now and becomes an upload of the user: the generation must not depend on
        somebody else's server."""
        if (body.image_url is None) == (body.image_id is None):
            raise InvalidRequest("one_image_only", field="image_id")
        if body.image_id is not None:
            return body.image_id, await self._media.check_input(user_id, body.image_id)
        upload = await self._media.upload_from_url(user_id, body.image_url or "")
        return upload.id, None

    async def _earlier(self, caller: Caller, asked_hash: str, origin: Origin) -> Generation | None:
        """Return the generation of an earlier request with the same key. Raises `Conflict` when
        that request was another."""
        found = await self._recalled(caller, origin)
        if found is None:
            return None
        if found[0] != asked_hash:
            raise Conflict("key_of_other_request")
        return await self.reader.owned(caller.user_id, found[1])

    async def _recalled(self, caller: Caller, origin: Origin) -> tuple[str, str] | None:
        """Return hash and generation of an earlier request with the same key."""
        if origin.key is None:
            return None
        return await store.recall_key(self._db, idempotency.key_of(caller.user_id, origin.key))

    async def _accept(self, caller: Caller, asked: CheckedRequest, origin: Origin) -> Generation:
        chars = len(asked.request.prompt) + len(str(asked.options.get("negative_prompt", "")))
        estimate = estimate_of(asked.model, asked.options, inputs=len(asked.inputs), chars=chars)
        if estimate is None:
            raise PriceUnknown("price_not_known", model=asked.model.name)
        await self._media.disk_space.require()
        check_address(caller, asked.request.address)
        user = await self._users.find(caller.user_id)
        if user is None:
            raise NotFound("account_gone")
        if asked.asked_in is not None:
            asked.asked_in.check_person(guest=user.guest)
        free = user.confirm_micro is None or estimate <= user.confirm_micro
        if not (free or asked.request.confirm):
            draft_id = await self._keep_draft(caller, asked, origin)
            raise ConfirmCost(estimate_micro=estimate, draft_id=draft_id)
        generation = new_row(caller, asked, origin, estimate, sandbox=self._sandbox)
        group = group_of(user.role, guest=user.guest)
        key = None if origin.key is None else idempotency.key_of(caller.user_id, origin.key)
        try:
            accepted = await repeated(
                lambda: self._queue(generation, user.monthly_micro, group, asked, key)
            )
        except Duplicate as error:
            return await self._accepted_by_other(caller, asked, origin, error)
        fault_point("accepted")
        self._wake.ring("worker")
        return accepted

    async def _queue(
        self,
        generation: Generation,
        monthly_micro: int,
        group: Group,
        asked: CheckedRequest,
        key: str | None,
    ) -> Generation:
        """Hold the money and queue it, in one transaction. Raises `Duplicate` for a key that
        another request has."""
        async with self._db.transaction() as sql:
            if await store.unfinished_count(sql, generation.user_id) >= UNFINISHED_MAX:
                raise TooManyJobs("jobs_too_many", most=UNFINISHED_MAX, retry_after=10)
            hold_id = await self._budget.reserve(
                sql,
                user_id=generation.user_id,
                monthly_micro=monthly_micro,
                group=group,
                amount=generation.estimate_micro,
                subject=f"generation:{generation.id}",
                place=None if asked.asked_in is None else asked.asked_in.budget,
            )
            accepted = replace(generation, hold_id=hold_id)
            await store.insert(sql, accepted)
            await self._media.mark_used(sql, [item.media_id for item in accepted.inputs])
            if key is not None:
                await idempotency.claim(
                    sql, [idempotency.Claim(key, asked.body_hash, accepted.id)], now()
                )
        return accepted

    async def _keep_draft(
        self, caller: Caller, asked: CheckedRequest, origin: Origin
    ) -> str | None:
        """Store the request of a chat, which cannot send it once more: a button only has room for
        an id. Programs can, and get no draft."""
        if asked.request.address is None:
            return None
        # the price is this model's, whatever the default will be
        request = asked.request.model_copy(update={"model": asked.model.id})
        draft = Draft(
            new_id(), caller.user_id, request, asked.body_hash, asked.parent_id, origin.key, now()
        )
        await drafts.add(self._db, draft)
        return draft.id

    async def confirm(self, caller: Caller, draft_id: str, source: str) -> Generation:
        """Make what was kept when its cost had to be confirmed: once, however often it is
        confirmed. Raises `NotFound` for another's, and once it is too old."""
        draft = await drafts.get(self._db, draft_id)
        oldest = now() - drafts.KEPT
        if draft is None or draft.user_id != caller.user_id or draft.created_at < oldest:
            raise NotFound("draft_gone")
        request = draft.request.model_copy(update={"confirm": True})
        origin = Origin(source, draft.key or f"draft:{draft.id}")
        return await self.create(caller, request, origin, draft.parent_id, draft.body_hash)

    async def _accepted_by_other(
        self, caller: Caller, asked: CheckedRequest, origin: Origin, error: Duplicate
    ) -> Generation:
        """Return the generation of another request with this key that won at the same moment."""
        found = await self._recalled(caller, origin)
        if found is None or found[0] != asked.body_hash:
            raise Conflict("asked_at_same_moment") from error
        return await self.reader.owned(caller.user_id, found[1])

    async def estimate(self, caller: Caller, body: EstimateIn) -> EstimateOut:
        """Return price and balance. Raises `StorageFull`, too: better before somebody has written a
        prompt."""
        await self._media.disk_space.require()
        model = await self._preferences.model(caller.user_id, caller.role, body.kind, body.model)
        frames = [one for one in (body.image_id, body.last_image_id) if one is not None]
        inputs = len(body.input_images or ()) + len(frames)
        chars = len(body.prompt or "")
        if body.kind == "text":
            cost = await self._texts.micro(caller.user_id, model, body)
        else:
            cost = estimate_of(model, checked_options(model, body), inputs=inputs, chars=chars)
        balance = 0
        if (user := await self._users.find(caller.user_id)) is not None:
            group = group_of(user.role, guest=user.guest)
            balance = await self._budget.balance(user.id, user.monthly_micro, group)
        cost_usd = usd(cost) if cost is not None else None
        return EstimateOut(model=model.id, cost_usd=cost_usd, balance_usd=usd(balance))

    async def wait(self, generation: Generation, seconds: float) -> Generation:
        """Return the generation when it has finished, or as it stands when the time is over."""
        until = now() + timedelta(seconds=seconds)
        with self._wake.listen(f"generation:{generation.id}") as listener:
            while True:
                current = await self.reader.owned(generation.user_id, generation.id)
                left = (until - now()).total_seconds()
                if current.finished or left <= 0 or self._wake.closed:
                    return current
                await listener.wait(min(left, self._wake.limit(LOOK_EVERY, LOOK_EVERY_UNHEARD)))

    async def cancel(self, caller: Caller, generation_id: str) -> GenerationOut:
        """Cancel it. Before the provider has it the hold is freed; after that only the waiting
        ends, and the real cost is still booked."""
        row = await self.reader.owned(caller.user_id, generation_id)
        await self.stop(row)
        return await self.reader.one(caller.user_id, row.id)

    async def stop(
        self, row: Generation, also: Callable[[Sql], Awaitable[None]] | None = None
    ) -> None:
        """Cancel it for its owner or an operator. Raises `AlreadyFinished`. `also` is done in the
        same transaction."""
        async with self._db.transaction() as sql:
            freed = await transitions.cancel_unsubmitted(sql, row.id, now())
            if freed:
                await self._budget.release(sql, row.hold_id)
            elif not await transitions.cancel_submitted(sql, row.id, now()):
                raise AlreadyFinished("finished_before", short_id=row.short_id)
            # wherever it was cancelled: its card in the chat loses the Cancel button
            await self._announcer.announce(sql, row, "generation_failed")
            if also is not None:
                await also(sql)
        fault_point("cancelled")
        self._wake.ring("worker")
        self._announcer.ring(row)

    def address_of(self, row: Generation) -> AddressIn | None:
        """Return the chat that asked, as its bot would send it again."""
        if row.platform is None or row.chat_id is None:
            return None
        return AddressIn(
            platform=row.platform,
            chat_id=row.chat_id,
            thread_id=row.thread_id,
            message_id=row.message_id,
            user_name=row.user_name,
            private=bool(row.chat_private),
        )

    async def set_card(self, caller: Caller, generation_id: str, message_id: str) -> GenerationOut:
        row = await self.reader.owned(caller.user_id, generation_id)
        here = (row.platform, row.chat_id)
        if caller.platform is None or (caller.platform, caller.chat_id) != here:
            raise NotAllowed("card_of_other_chat")
        now = await store.set_card(self._db, row.id, message_id)
        if now is None:
            raise NotFound("generation_unknown")
        return (await self.reader.outs([now]))[0]

    async def erase_user(self, user_id: str) -> None:
        """Erase all generations of a user in any state: a worker that holds one finds its row
        gone."""
        await drafts.delete_of_user(self._db, user_id)
        for generation_id in await store.ids_of_user(self._db, user_id):
            await self._eraser.erase(generation_id)


def failure_of(row: Generation) -> DomainError:
    """Return a failed generation as the error that a program waiting for it gets."""
    error = kept_error(row.error_code, row.error_reason or "earlier", row.error_params)
    error.charged_micro = row.charged_micro
    return error
