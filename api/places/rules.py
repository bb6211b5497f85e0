"""The rules of a place, checked before anything is paid."""

import re
from collections.abc import Sequence
from datetime import datetime, time
from zoneinfo import ZoneInfo

from api.budget.moves import PlaceBudget
from api.catalog.model import Model
from api.catalog.model_choice import first_ids
from api.errors import ModelUnavailable, NotAllowed
from api.places.schemas import PlaceSettings, QuietHours
from api.places.store import KnownPlace


class PlaceRules:
    """The rules of the place in which something is asked for."""

    def __init__(self, place: KnownPlace, models: Sequence[Model]) -> None:
        """`models` are those of the wanted kind that the person may use."""
        self._place = place
        self._models = models

    @property
    def budget(self) -> PlaceBudget:
        return PlaceBudget(self._place.id, self._place.monthly_micro, self._place.daily_micro)

    def check(self, model: Model, asked: str | None, words: Sequence[str]) -> Model:
        """Return the model to take: another than the preferred one where only some may be used, and
        none was named (`asked`). Raises `NotAllowed`, `ModelUnavailable`."""
        settings = self._place.settings
        if model.kind in settings.kinds_off:
            raise NotAllowed("kind_off_here", kind=model.kind)
        if settings.safe and is_blocked(settings, words):
            raise NotAllowed("words_not_here")
        if self.allows(model):
            return model
        allowed = [one for one in self._models if one.id in settings.models]
        if asked is not None:
            raise ModelUnavailable("model_not_here", model=model.name, allowed=first_ids(allowed))
        return allowed[0]

    def allows(self, model: Model) -> bool:
        """Tell whether the model is one of those named for its kind, or none is."""
        named = [one.id for one in self._models if one.id in self._place.settings.models]
        return not named or model.id in named

    def check_person(self, *, guest: bool) -> None:
        """Raises `NotAllowed`."""
        if guest and self._place.settings.audience == "linked":
            raise NotAllowed("linked_only_here")


def takes_guests(settings: PlaceSettings, *, by_server: bool) -> bool:
    """Tell whether somebody without an account may use the bot in the place. `by_server`: the
    server takes guests in every chat."""
    if settings.audience == "everybody":
        return settings.guests_allowed or by_server
    return settings.audience == "server" and by_server


def is_blocked(settings: PlaceSettings, words: Sequence[str]) -> bool:
    """Tell whether a blocked word stands in the words, as a whole word."""
    said = " ".join(words).casefold()
    return any(
        re.search(rf"(?<!\w){re.escape(word.casefold())}(?!\w)", said)
        for word in settings.blocked_words
    )


def is_quiet(hours: QuietHours | None, now: datetime) -> bool:
    if hours is None:
        return False
    since, until = (time.fromisoformat(each) for each in (hours.since, hours.until))
    here = now.astimezone(ZoneInfo(hours.time_zone)).time()
    return since <= here < until if since < until else here >= since or here < until
