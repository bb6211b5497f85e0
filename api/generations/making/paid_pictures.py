"""Pictures that came and are paid for: their cost is booked whatever happens."""

import math
from functools import partial

from structlog import get_logger

from api.background import until_back
from api.errors import DomainError, ProviderUnavailable, StorageFull, StorageUnavailable
from api.fault_points import fault_point
from api.generations.making.asks import pictures_asked
from api.generations.making.ending import Ending
from api.generations.making.failures import cause
from api.generations.store import Generation
from api.media.service import KeptFile, MediaService
from api.provider.types import ImageResult
from api.reasons import Making

log = get_logger("worker")


class PaidPictures:
    def __init__(self, media: MediaService, ending: Ending) -> None:
        self._media = media
        self._ending = ending

    async def keep(self, row: Generation, result: ImageResult) -> None:
        """Keep the pictures and end the generation. An error that nobody foresaw costs the look
        into the pictures, then the pictures, but never the booking; then it is raised."""
        about = {"generation": row.id, "model": row.model, "provider_id": result.provider_id}
        try:
            await until_back(partial(self._finish, row, result, look=True))
        except Exception:
            log.exception("pictures_not_looked_at", **about)
            try:
                await until_back(partial(self._finish, row, result, look=False))
            except Exception:
                cost = _cost(row, result)
                log.exception("pictures_lost", cost_micro=cost, **about)
                error = ProviderUnavailable("charged_and_lost")
                await until_back(partial(self._ending.fail, row, error, cost, result.provider_id))
            raise

    async def _finish(self, row: Generation, result: ImageResult, *, look: bool) -> None:
        """Keep as many pictures as were asked for, of those that can be used."""
        wanted, cost = pictures_asked(row), _cost(row, result)
        kept: list[KeptFile] = []
        reason: Making = "unusable_image"
        for image in result.images:
            if len(kept) == wanted:
                break
            try:
                kept.append(
                    await self._media.keep_image(
                        row.user_id, row.id, len(kept), image.data, look=look
                    )
                )
            except (StorageFull, StorageUnavailable) as error:
                await self._ending.fail(row, error, cost)
                return
            except DomainError as error:
                log.warning(
                    "unusable_image", generation=row.id, model=row.model, error=error.detail
                )
                reason = cause(error, reason)
        if not kept:
            await self._ending.fail(row, ProviderUnavailable(reason), cost)
            return
        fault_point("kept")
        surplus = 0
        if len(result.images) > wanted:
            surplus = cost - math.ceil(cost * wanted / len(result.images))
            log.warning(
                "more_pictures_than_asked",
                generation=row.id,
                model=row.model,
                wanted=wanted,
                came=len(result.images),
                surplus_micro=surplus,
            )
        await self._ending.complete(row, kept, cost, surplus)


def _cost(row: Generation, result: ImageResult) -> int:
    return result.cost_micro if result.cost_micro is not None else row.estimate_micro
