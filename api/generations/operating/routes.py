"""`/admin/generations`: everybody's."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import AwareDatetime

from api.callers import AdminCaller
from api.deps import ServicesDep
from api.generations.lists import Filter, JobSort
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


@router.get("")
async def page(
    caller: AdminCaller,
    services: ServicesDep,
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
    sort: JobSort = "newest",
    cursor: Annotated[str | None, Query(max_length=64)] = None,
) -> Page[AdminGenerationOut]:
    """`sort` cost (the dearest first) and longest (from start to end) show 7 days: before `until`,
    else from `since` on, else before now. `q`: words of the prompt, or a short id. `needs_review`
    is short for that phase."""
    phase = "needs_review" if needs_review else phase
    wanted = Filter(user_id, kind, status, model, source, phase, None, q, since, until, cursor)
    return await services.generation_admin.page(wanted, limit, sort)


@router.post("/purge")
async def purge(body: PurgeIn, caller: AdminCaller, services: ServicesDep) -> CountOut:
    return CountOut(count=await services.generation_admin.purge(caller, body))


@router.post("/timed-out")
async def timed_out(caller: AdminCaller, services: ServicesDep) -> CountOut:
    return CountOut(count=await services.generation_admin.time_out(caller))


@router.get("/{generation_id}")
async def one(generation_id: str, caller: AdminCaller, services: ServicesDep) -> AdminGenerationOut:
    return await services.generation_admin.one(generation_id)


@router.post("/{generation_id}/resolve")
async def resolve(
    generation_id: str, body: ResolveIn, caller: AdminCaller, services: ServicesDep
) -> AdminGenerationOut:
    return await services.generation_admin.resolve(caller, generation_id, body)


@router.post("/{generation_id}/cancel")
async def cancel(
    generation_id: str, caller: AdminCaller, services: ServicesDep
) -> AdminGenerationOut:
    return await services.generation_admin.cancel(caller, generation_id)


@router.post("/{generation_id}/retry", status_code=202)
async def retry(
    generation_id: str, caller: AdminCaller, services: ServicesDep
) -> AdminGenerationOut:
    return await services.generation_admin.retry(caller, generation_id)


@router.post("/{generation_id}/refund")
async def refund(
    generation_id: str, caller: AdminCaller, services: ServicesDep, body: RefundIn | None = None
) -> AdminGenerationOut:
    """Give what it cost back to its user's budget, once: 409 `conflict` when it cost nothing, is
    not over, or was refunded before."""
    return await services.generation_admin.refund(caller, generation_id, body or RefundIn())


@router.delete("/{generation_id}", status_code=204)
async def delete(generation_id: str, caller: AdminCaller, services: ServicesDep) -> None:
    await services.generation_admin.delete(caller, generation_id)
