"""`/healthz`, `/readyz` and the offline API docs."""

from collections.abc import Mapping
from pathlib import Path

from fastapi import APIRouter, FastAPI, Response
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles

from api.background import Background
from api.db import Db, DbUnavailable
from api.deps import FromApp
from api.errors import sentence
from api.ids import now
from api.media.service import MediaService
from api.provider.domain_errors import domain_error
from api.provider.types import Provider, ProviderError
from api.reasons import Reason
from api.schemas import CheckOut, ReadyOut
from api.settings import Settings
from api.users.service import UserService
from api.version import VERSION

router = APIRouter(tags=["machines"])

SWAGGER = Path(__file__).parent / "static" / "swagger"


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    return {"status": "alive"}


@router.get("/readyz")
async def readyz(
    response: Response,
    settings: FromApp[Settings],
    db: FromApp[Db],
    media: FromApp[MediaService],
    provider: FromApp[Provider],
    background: FromApp[Background],
    users: FromApp[UserService],
) -> ReadyOut:
    """503 while the database or the media store cannot be used, or nobody makes the generations
    that this process should make. A provider that is away is named, but generations wait for it; so
    is a disk that is nearly full, but people can sign in, and see what is there."""
    checks = {
        "database": await _database(db),
        "media": _media(media),
        "disk": await _disk(media),
        "provider": await _provider(provider),
        "background": _background(background),
    }
    ready = checks["database"].ok and checks["media"].ok and background.works
    if not ready:
        response.status_code = 503
    needed = ready and await users.setup_needed()
    return ReadyOut(
        ready=ready,
        version=VERSION,
        checks=checks,
        setup_needed=needed,
        sandbox=provider.is_sandbox,
        web_signup=settings.web_signup,
        mails_links=settings.mail_server is not None and settings.public_url is not None,
        at=now(),
    )


async def _database(db: Db) -> CheckOut:
    try:
        await db.check()
    except DbUnavailable as error:
        return _found("database_said", {"said": str(error)}, ok=False)
    return CheckOut(ok=True, detail=db.engine)


def _media(media: MediaService) -> CheckOut:
    """Return the state of the store as it was found a moment ago: a store that hangs must not make
    this hang."""
    state = media.files.state
    waiting: dict[str, str | int] = {"waiting": state.waiting} if state.waiting else {}
    if state.trouble is not None:
        return _found(state.trouble.reason, {**state.trouble.params, **waiting}, ok=False)
    return _found("files_waiting", waiting, ok=True) if waiting else CheckOut(ok=True)


async def _disk(media: MediaService) -> CheckOut:
    space = await media.disk_space.tightest()
    if not space.short:
        return CheckOut(ok=True)
    free, floor = space.free // 1_000_000, space.floor // 1_000_000
    return _found("disk_low", {"free_mb": free, "floor_mb": floor}, ok=False)


async def _provider(provider: Provider) -> CheckOut:
    try:
        await provider.reachable()
    except ProviderError as error:
        why = domain_error(error)
        return _found(why.reason, why.params, ok=False)
    return CheckOut(ok=True, detail="sandbox" if provider.is_sandbox else "OpenRouter")


def _background(background: Background) -> CheckOut:
    said = "; ".join(f"{name} {how}" for name, how in background.failing.items())
    return _found("work_fails", {"said": said}, ok=False) if said else CheckOut(ok=True)


def _found(reason: Reason, params: Mapping[str, str | int], *, ok: bool) -> CheckOut:
    return CheckOut(ok=ok, detail=sentence(reason, params), reason=reason, params=dict(params))


def add_docs(app: FastAPI) -> None:
    """Add Swagger UI with its files from here: nothing is loaded from elsewhere."""
    app.mount("/static/swagger", StaticFiles(directory=SWAGGER), name="swagger")

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url="/openapi.json",
            title=f"{app.title}: API",
            swagger_js_url="/static/swagger/swagger-ui-bundle.js",
            swagger_css_url="/static/swagger/swagger-ui.css",
            swagger_favicon_url="/static/swagger/favicon-32x32.png",
        )
