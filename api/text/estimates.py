"""The highest cost of a question, before it is asked."""

from api.catalog.model import Model
from api.catalog.pricing import text_micro
from api.generations.schemas import EstimateIn
from api.media.documents import Documents
from api.text.choices import chosen
from api.text.enclosures import Enclosures
from api.text.schemas import TextIn


class TextEstimates:
    def __init__(self, documents: Documents) -> None:
        self._enclosures = Enclosures(documents)

    async def micro(self, user_id: str, model: Model, body: EstimateIn) -> int | None:
        """Return it in micro-dollars; None when it cannot be known. Raises as the question would,
        for its documents and choices."""
        asked = TextIn(
            prompt="?",
            documents=body.documents,
            scan=body.scan,
            web=body.web,
            effort=body.effort,
        )
        enclosed = await self._enclosures.of(user_id, model, (), asked)
        choices = chosen(model, asked, web=False, effort=None)
        cost = text_micro(
            model,
            chars=choices.turns * (len(body.prompt or "") + enclosed.chars) + choices.chars,
            max_tokens=choices.paid_tokens(model),
            images=choices.turns * len(body.input_images or ()),
        )
        return None if cost is None else cost + enclosed.extra_micro + choices.extra_micro
