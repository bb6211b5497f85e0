"""`/admin/generations`: the generations of all members."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import AwareDatetime

from api.callers import AdminCaller
from api.deps import FromApp
from api.generations.lists import GenerationFilter, GenerationSort
from api.generations.operating.service import GenerationAdmin
from api.generations.schemas import (
    AdminGenerationOut,
    CountOut,
    GenerationStatus,
    PurgeIn,
    RefundIn,
    ResolveIn,
)
from api.generations.states import Phase
from api.schemas import MediaKind, Page

router = APIRouter(prefix="/admin/generations", tags=["admin"])

GenerationsDep = FromApp[GenerationAdmin]


@router.get("")
async def page(
    caller: AdminCaller,
    generations: GenerationsDep,
    user_id: Annotated[str | None, Query(max_length=64)] = None,
    status: GenerationStatus | None = None,
    kind: MediaKind | None = None,
    model: Annotated[str | None, Query(max_length=200)] = None,
    source: Annotated[str | None, Query(max_length=20)] = None,
    phase: Phase | None = None,
    needs_review: bool = False,
    q: Annotated[str | None, Query(max_length=200)] = None,
    since: AwareDatetime | None = None,
    until: AwareDatetime | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    sort: GenerationSort = "newest",
    cursor: Annotated[str | None, Query(max_length=64)] = None,
) -> Page[AdminGenerationOut]:
    """`sort` cost (the dearest first) and longest (from start to end) show 7 days: before `until`,
    else from `since` on, else before now. `q`: words of the prompt, or a short id. `needs_review`
    is short for that phase."""
    phase = "needs_review" if needs_review else phase
    wanted = GenerationFilter(
        user_id, kind, status, model, source, phase, None, q, since, until, cursor
    )
    return await generations.page(wanted, limit, sort)


@router.post("/purge")
async def purge(body: PurgeIn, caller: AdminCaller, generations: GenerationsDep) -> CountOut:
    return CountOut(count=await generations.purge(caller, body))


@router.post("/timed-out")
async def timed_out(caller: AdminCaller, generations: GenerationsDep) -> CountOut:
    return CountOut(count=await generations.time_out(caller))


@router.get("/{generation_id}")
async def one(
    generation_id: str, caller: AdminCaller, generations: GenerationsDep
) -> AdminGenerationOut:
    return await generations.one(generation_id)


@router.post("/{generation_id}/resolve")
async def resolve(
    generation_id: str, body: ResolveIn, caller: AdminCaller, generations: GenerationsDep
) -> AdminGenerationOut:
    return await generations.resolve(caller, generation_id, body)


@router.post("/{generation_id}/cancel")
async def cancel(
    generation_id: str, caller: AdminCaller, generations: GenerationsDep
) -> AdminGenerationOut:
    return await generations.cancel(caller, generation_id)


@router.post("/{generation_id}/retry", status_code=202)
async def retry(
    generation_id: str, caller: AdminCaller, generations: GenerationsDep
) -> AdminGenerationOut:
    return await generations.retry(caller, generation_id)


@router.post("/{generation_id}/refund")
async def refund(
    generation_id: str,
    caller: AdminCaller,
    generations: GenerationsDep,
    body: RefundIn | None = None,
) -> AdminGenerationOut:
    """Give what it cost back to its user's budget, once: 409 `conflict` when it cost nothing, is
    not over, or was refunded before."""
    return await generations.refund(caller, generation_id, body or RefundIn())


@router.delete("/{generation_id}", status_code=204)
async def delete(generation_id: str, caller: AdminCaller, generations: GenerationsDep) -> None:
    await generations.delete(caller, generation_id)
