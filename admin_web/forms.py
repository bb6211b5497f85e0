"""From an HTML form to a request of the api and back: the api's own schemas do the checking."""

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from typing import TypeVar

from flask import request
from pydantic import BaseModel, ValidationError

from admin_web.language import N_, _
from admin_web.words import FormError
from api.catalog.schemas import ModelOut

M = TypeVar("M", bound=BaseModel)

_WORDS = {
    "missing": N_("Please fill this in."),
    "string_too_short": N_("Please fill this in."),
    "string_too_long": N_("This is too long: %(max_length)s characters at most."),
    "int_parsing": N_("This has to be a whole number."),
    "int_from_float": N_("This has to be a whole number."),
    "greater_than_equal": N_("This has to be %(ge)s or more."),
    "less_than_equal": N_("This has to be %(le)s or less."),
    "decimal_parsing": N_("This has to be an amount, such as 10 or 2.50."),
    "decimal_max_places": N_("Six digits after the point at most."),
    "too_long": N_("Too many: %(max_length)s at most."),
    "value_error": N_("This does not look right."),
}


class Invalid(Exception):
    """The form cannot be sent as it is."""

    def __init__(self, error: FormError) -> None:
        super().__init__(error.message)
        self.error = error


def given(*names: str) -> dict[str, object]:
    """The named fields that hold something; a field left empty counts as not given."""
    values = ((name, request.values.get(name, "").strip()) for name in names)
    return {name: value for name, value in values if value}


def read(schema: type[M], values: Mapping[str, object]) -> M:
    """The request as the api's schema; `Invalid` names each field that is wrong."""
    try:
        return schema.model_validate(values)
    except ValidationError as error:
        problems = [problem for problem in error.errors() if problem["loc"]]
        fields = {str(problem["loc"][0]): _sentence(problem["type"], problem.get("ctx", {})) for problem in problems}
        raise Invalid(
            FormError(_("Some of this cannot be used yet."), _("Change what is marked and send it again."), fields=fields)
        ) from error


def _sentence(kind: str, facts: Mapping[str, object]) -> str:
    return _(_WORDS.get(kind, _WORDS["value_error"]), **{"max_length": "", "ge": "", "le": "", **facts})


def new_nonce() -> str:
    return secrets.token_urlsafe(16)


def idempotency_key(ask: BaseModel) -> str:
    """Of this form and this content: a double click is one job, a changed text is another."""
    nonce = request.form.get("nonce", "") or new_nonce()
    return hashlib.sha256(f"{nonce}:{ask.model_dump_json()}".encode()).hexdigest()


def chosen_model(models: Sequence[ModelOut], wanted: str | None) -> ModelOut | None:
    """The wanted model, else the default, else the first; None when there are none."""
    for model in models:
        if model.id == wanted:
            return model
    return next((model for model in models if model.default), models[0] if models else None)
