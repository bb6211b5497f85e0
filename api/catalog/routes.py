"""`GET /models`."""

from typing import Annotated

from fastapi import APIRouter, Query

from api.auth.caller import UserCaller
from api.catalog.schemas import ModelOut
from api.catalog.service import model_out
from api.deps import ServicesDep
from api.errors import InvalidRequest
from api.schemas import Kind, Page

router = APIRouter(tags=["models"])


@router.get("/models")
async def list_models(
    services: ServicesDep,
    caller: UserCaller,
    kind: Kind | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 100,
    cursor: Annotated[str | None, Query(max_length=300)] = None,
) -> Page[ModelOut]:
    """The models that may be used: the default of each kind first."""
    models = services.catalog.list_models(kind)
    start = 0
    if cursor is not None:
        start = next((place + 1 for place, model in enumerate(models) if f"{model.kind}:{model.id}" == cursor), -1)
        if start < 0:
            raise InvalidRequest("This cursor is not valid any more. Start again without it.", field="cursor")
    page = models[start : start + limit]
    more = start + limit < len(models)
    return Page(items=[model_out(model) for model in page], next_cursor=f"{page[-1].kind}:{page[-1].id}" if more else None)
