"""The choices of a question beside its words: whether the model searches the web, and how much it
thinks. What the question does not say, the person's preferences say."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from api import ids
from api.catalog.model import Model
from api.catalog.pricing import text_micro
from api.errors import OptionUnsupported
from api.provider.types import WebSearch
from api.schemas import Thinking
from api.text.context import THINKING_TOKENS, answer_tokens
from api.text.schemas import TextIn

SEARCH = WebSearch(engine="exa", searches=3, results=5, chars=2_000)
"""The search engine is named, because the price of a provider's own is not known beforehand, and
most of those heed no number of searches."""
SEARCH_MICRO = 7_000
"""A search with up to ten results, in micro-dollars."""
_RESULT_FRAME = 300
_TURN_TOKENS = 1_000
"""Tokens that a model may write before each search."""


@dataclass(frozen=True, slots=True)
class Choices:
    """`effort` None: the model's own. `chars`: the characters of context that what is found counts
    as, in all turns together, and `turns` how often the model reads the question itself.
    `fallbacks` answer when the model cannot."""

    web: WebSearch | None = None
    effort: Thinking | None = None
    fallbacks: tuple[Model, ...] = ()

    @property
    def turns(self) -> int:
        return 1 if self.web is None else 1 + self.web.searches

    @property
    def chars(self) -> int:
        if self.web is None:
            return 0
        each = self.web.results * (self.web.chars + _RESULT_FRAME)
        return each * self.web.searches * (self.web.searches + 1) // 2

    @property
    def extra_micro(self) -> int:
        return 0 if self.web is None else SEARCH_MICRO * self.web.searches

    def most_tokens(self, model: Model) -> int:
        """Return the most tokens of the answer itself."""
        return answer_tokens(model, THINKING_TOKENS if self.effort == "high" else None)

    def paid_tokens(self, model: Model) -> int:
        """Return the most tokens that are written in all turns."""
        return self.most_tokens(model) + _TURN_TOKENS * (self.turns - 1)


def chosen(model: Model, body: TextIn, *, web: bool, effort: Thinking | None) -> Choices:
    """Return the choices; `web` and `effort` are the preferred ones, which count as far as the
    model can do them. Raises `OptionUnsupported` for those of the question itself."""
    can = model.info.capabilities
    if body.web and not can.web_search:
        raise OptionUnsupported("option_unknown", field="web", model=model.name)
    searches = (web and can.web_search) if body.web is None else body.web
    return Choices(SEARCH if searches else None, _effort(model, body.effort, effort))


def _effort(model: Model, said: Thinking | None, preferred: Thinking | None) -> Thinking | None:
    """Return the effort as the model takes it. A model that does not think takes none, and is told
    none."""
    efforts = model.info.capabilities.efforts
    if not efforts:
        return None
    if said is not None and said not in efforts:
        raise OptionUnsupported(
            "option_value", field="effort", model=model.name, allowed=list(efforts)
        )
    return said or (preferred if preferred in efforts else None)


def able(models: Iterable[Model], model: Model, body: TextIn, choices: Choices) -> Iterator[Model]:
    """Yield those of the other models that can do what the question wants, at a known price."""
    can = model.info.capabilities
    for other in models:
        has = other.info.capabilities
        if (
            other.id != model.id
            and text_micro(other, chars=0, max_tokens=1) is not None
            and (not body.images or has.max_input_images >= can.max_input_images)
            and (has.documents or not can.documents)
            and (has.web_search or choices.web is None)
            and (choices.effort is None or choices.effort in has.efforts)
        ):
            yield other


def dated(body: TextIn, choices: Choices) -> TextIn:
    """Return the question with the day, which a model has to know to search for what is new."""
    if choices.web is None:
        return body
    today = f"Today is {ids.now():%A, %d %B %Y}."
    return body.model_copy(update={"system": f"{body.system}\n\n{today}" if body.system else today})
