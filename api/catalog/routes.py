"""`GET /models`, and `/admin/models`.

A model's id holds slashes, and a model that makes text and images is there once for each: `?kind=`
says which one is meant.
"""

from typing import Annotated

from fastapi import APIRouter, Query

from api.budget.spending import Spending
from api.callers import AdminCaller, UserCaller
from api.catalog.schemas import (
    AdminModelOut,
    ModelChangeIn,
    ModelOut,
    ModelSort,
    NewModelIn,
    RefreshedOut,
)
from api.catalog.service import Catalog, model_out
from api.deps import FromApp
from api.errors import InvalidRequest
from api.schemas import Kind, Page

router = APIRouter(tags=["models"])

CatalogDep = FromApp[Catalog]
SpendingDep = FromApp[Spending]


@router.get("/models")
async def list_models(
    catalog: CatalogDep,
    caller: UserCaller,
    kind: Kind | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 100,
    cursor: Annotated[str | None, Query(max_length=300)] = None,
) -> Page[ModelOut]:
    """Return the models that may be used: the default of each kind first."""
    models = catalog.list_models(kind, caller.role)
    start = 0
    if cursor is not None:
        start = next(
            (
                place + 1
                for place, model in enumerate(models)
                if f"{model.kind}:{model.id}" == cursor
            ),
            -1,
        )
        if start < 0:
            raise InvalidRequest("cursor_not_valid", field="cursor")
    page = models[start : start + limit]
    more = start + limit < len(models)
    return Page(
        items=[model_out(model) for model in page],
        next_cursor=f"{page[-1].kind}:{page[-1].id}" if more else None,
    )


@router.get("/admin/models", tags=["admin"])
async def list_all_models(
    catalog: CatalogDep,
    spending: SpendingDep,
    _admin: AdminCaller,
    kind: Kind | None = None,
    q: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 100,
    sort: ModelSort = "kind",
    cursor: Annotated[str | None, Query(max_length=300)] = None,
) -> Page[AdminModelOut]:
    """Return all models, also those that are switched off or have vanished from the provider's
    lists. By price: of a typical request, unknown ones last. By use: the most requests in the last
    7 days first."""
    return await catalog.all(kind, q, cursor, limit, sort, await spending.used())


@router.post("/admin/models", status_code=201, tags=["admin"])
async def add_model(catalog: CatalogDep, admin: AdminCaller, body: NewModelIn) -> AdminModelOut:
    """Offer a model that the provider's lists do not have."""
    return await catalog.add(body, admin.user_id)


@router.post("/admin/models/refresh", tags=["admin"])
async def refresh_models(catalog: CatalogDep, admin: AdminCaller) -> RefreshedOut:
    """Read the provider's lists now."""
    return RefreshedOut(count=await catalog.refresh_now(admin.user_id))


@router.get("/admin/models/{model_id:path}", tags=["admin"])
async def read_model(
    catalog: CatalogDep, _admin: AdminCaller, model_id: str, kind: Kind | None = None
) -> AdminModelOut:
    return await catalog.show(model_id, kind)


@router.put("/admin/models/{model_id:path}", tags=["admin"])
async def change_model(
    catalog: CatalogDep,
    admin: AdminCaller,
    model_id: str,
    body: ModelChangeIn,
    kind: Kind | None = None,
) -> AdminModelOut:
    """Change a model from the next request on; accepted generations go on."""
    return await catalog.change(model_id, kind, body, admin.user_id)
