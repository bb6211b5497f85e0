"""What routes get from the running app."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Request

if TYPE_CHECKING:
    from api.admin.board import Board
    from api.admin.service import AdminService
    from api.auth.service import AuthService
    from api.background import Background
    from api.budget.service import BudgetService
    from api.budget.spending import Spending
    from api.catalog.service import Catalog
    from api.db import Db
    from api.deliveries.admin import DeliveryAdmin
    from api.deliveries.inbox import Inbox
    from api.deliveries.service import DeliveryService
    from api.generations.accepting.service import GenerationService
    from api.generations.gallery.service import Gallery
    from api.generations.making.webhooks import Webhooks
    from api.generations.operating.service import GenerationAdmin
    from api.links.service import LinkService
    from api.mail import Mailer
    from api.media.service import MediaService
    from api.provider.types import Provider
    from api.settings import Settings
    from api.shutdown import Stop
    from api.text.service import TextService
    from api.users.export import ExportService
    from api.users.preferences import Preferences
    from api.users.service import UserService
    from api.wake import Wake


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that `api/app.py` builds, once per process."""

    settings: Settings
    db: Db
    provider: Provider
    auth: AuthService
    users: UserService
    preferences: Preferences
    export: ExportService
    admin: AdminService
    board: Board
    links: LinkService
    catalog: Catalog
    budget: BudgetService
    spending: Spending
    media: MediaService
    text: TextService
    generations: GenerationService
    gallery: Gallery
    generation_admin: GenerationAdmin
    deliveries: DeliveryService
    delivery_admin: DeliveryAdmin
    inbox: Inbox
    webhooks: Webhooks
    mail: Mailer
    wake: Wake
    stop: Stop
    background: Background


async def services(request: Request) -> Services:
    """Async, because FastAPI runs a plain function in a thread, which takes longer than the
    lookup."""
    found: Services = request.app.state.services
    return found


ServicesDep = Annotated[Services, Depends(services)]
