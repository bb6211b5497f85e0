"""`GET /models`, and `/admin/models`.

A model's id holds slashes, and a model that makes text and images is there once for each: `?kind=`
says which one is meant.
"""

from typing import Annotated

from fastapi import APIRouter, Query

from api.budget.spending import Spending
from api.callers import AdminCaller, UserCaller
from api.catalog import schemas
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
) -> Page[schemas.ModelOut]:
    """Return the models that may be used: the default of each kind first."""
    models = catalog.list_models(kind, caller.role)
    places = [model.place for model in models]
    if cursor is not None and cursor not in places:
        raise InvalidRequest("cursor_not_valid", field="cursor")
    start = 0 if cursor is None else places.index(cursor) + 1
    page = models[start : start + limit]
    more = start + limit < len(models)
    items = [model_out(model) for model in page]
    return Page(items=items, next_cursor=page[-1].place if more else None)


@router.get("/admin/models", tags=["admin"])
async def list_all_models(
    catalog: CatalogDep,
    spending: SpendingDep,
    _admin: AdminCaller,
    kind: Kind | None = None,
    q: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 100,
    sort: schemas.ModelSort = "kind",
    cursor: Annotated[str | None, Query(max_length=300)] = None,
) -> Page[schemas.AdminModelOut]:
    """Return all models, also those that are switched off or have vanished from the provider's
    lists. By price: of a typical request, unknown ones last. By use: the most requests in the last
    7 days first."""
    return await catalog.all(kind, q, cursor, limit, sort, await spending.used())


@router.post("/admin/models", status_code=201, tags=["admin"])
async def add_model(
    catalog: CatalogDep, admin: AdminCaller, body: schemas.NewModelIn
) -> schemas.AdminModelOut:
    """Offer a model that the provider's lists do not have."""
    return await catalog.add(body, admin.user_id)


@router.post("/admin/models/refresh", tags=["admin"])
async def refresh_models(catalog: CatalogDep, admin: AdminCaller) -> schemas.RefreshedOut:
    """Read the provider's lists now."""
    return schemas.RefreshedOut(count=await catalog.refresh_now(admin.user_id))


@router.get("/admin/models/{model_id:path}", tags=["admin"])
async def read_model(
    catalog: CatalogDep, _admin: AdminCaller, model_id: str, kind: Kind | None = None
) -> schemas.AdminModelOut:
    return await catalog.show(model_id, kind)


@router.put("/admin/models/{model_id:path}", tags=["admin"])
async def change_model(
    catalog: CatalogDep,
    admin: AdminCaller,
    model_id: str,
    body: schemas.ModelChangeIn,
    kind: Kind | None = None,
) -> schemas.AdminModelOut:
    """Change a model from the next request on; accepted generations go on."""
    return await catalog.change(model_id, kind, body, admin.user_id)
