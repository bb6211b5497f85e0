"""The price of a filled form, before anything is spent."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from admin_web.forms.fields import Invalid, read
from admin_web.forms.options import option_values
from admin_web.sessions.caller import api
from admin_web.words.errors import FormError, in_words
from admin_web.words.language import _
from client import calls
from client.errors import ApiError
from client.schemas import PROMPT_MAX
from client.schemas.catalog import ModelOut
from client.schemas.generations import EstimateIn


@dataclass(frozen=True, slots=True)
class Price:
    """`cost` is None when it cannot be known; `note` then says why."""

    cost: Decimal | None
    balance: Decimal | None = None
    note: str = ""

    @property
    def too_much(self) -> bool:
        return self.cost is not None and self.balance is not None and self.cost > self.balance


def price(
    model: ModelOut | None,
    form: Mapping[str, str],
    input_images: list[str] | None = None,
    documents: list[str] | None = None,
) -> Price:
    """Return the api's estimate. Options that cannot be used yet make no error here: the form says
    so when it is sent."""
    if model is None:
        return Price(None)
    values: dict[str, object] = {
        "kind": model.kind,
        "model": model.id,
        **option_values(model, form),
    }
    if model.kind == "text":
        values["prompt"] = (form.get("prompt", "") + form.get("system", ""))[:PROMPT_MAX] or None
        values["documents"] = documents or None
        values["scan"] = bool(form.get("scan"))
        values["web"] = bool(form.get("web")) and model.capabilities.web_search
        effort = form.get("effort")
        values["effort"] = effort if effort in model.capabilities.efforts else None
    if input_images:
        values["input_images"] = input_images
    try:
        answer = api().send(calls.estimate(read(EstimateIn, values)))
    except Invalid:
        return Price(None, note=_("The price shows when every option fits."))
    except ApiError as error:
        return Price(None, note=in_words(error).message)
    note = "" if answer.cost_usd is not None else _("The price of this cannot be known in advance.")
    return Price(answer.cost_usd, answer.balance_usd, note)


def no_models(kind: str) -> FormError:
    return FormError(
        _("No model for this is available right now."),
        _("Ask an admin to look at the provider's key and the model list."),
        code=kind,
    )
