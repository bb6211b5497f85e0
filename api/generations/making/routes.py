"""`POST /webhooks/openrouter/{token}`: the provider says that a video has finished."""

from typing import Annotated

from fastapi import APIRouter, Header, Request

from api.deps import FromApp
from api.generations.making.webhooks import Webhooks

router = APIRouter(tags=["machines"])

BODY_MAX = 64 * 1024


@router.post(
    "/webhooks/openrouter/{token}", status_code=204, include_in_schema=False, max_body_size=BODY_MAX
)
async def openrouter(
    token: str,
    request: Request,
    webhooks: FromApp[Webhooks],
    signature: Annotated[str, Header(alias="X-OpenRouter-Signature")] = "",
) -> None:
    await webhooks.receive(token, signature, await request.body())
