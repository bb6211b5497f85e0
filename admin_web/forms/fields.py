"""The fields of an HTML form as a request to the api, checked by the api's own schemas."""

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from typing import TypeVar

from flask import request
from pydantic import BaseModel, ValidationError

from admin_web.words.errors import FormError, reason_words
from admin_web.words.language import _, chosen
from client.schemas.catalog import ModelOut

M = TypeVar("M", bound=BaseModel)


class Invalid(Exception):
    """Raised when a form cannot be sent as it is."""

    def __init__(self, error: FormError) -> None:
        super().__init__(error.message)
        self.error = error


def given(*names: str) -> dict[str, object]:
    """Return the named fields that are not empty."""
    return {name: value for name in names if (value := typed(name))}


def typed(name: str) -> str:
    """Return the text of a field. An amount may have a comma where the page's language writes
    one."""
    value = request.values.get(name, "").strip()
    return value.replace(",", ".") if name.endswith("_usd") and chosen() == "de" else value


def read(schema: type[M], values: Mapping[str, object]) -> M:
    """Return the request as the api's schema. Raises `Invalid`, which names each wrong field."""
    try:
        return schema.model_validate(values)
    except ValidationError as error:
        problems = [problem for problem in error.errors() if problem["loc"]]
        fields = {
            str(problem["loc"][0]): reason_words(problem["type"], problem.get("ctx", {}))
            for problem in problems
        }
        raise Invalid(
            FormError(
                _("Some of this cannot be used yet."),
                _("Change what is marked and send it again."),
                fields=fields,
            )
        ) from error


def new_nonce() -> str:
    return secrets.token_urlsafe(16)


def idempotency_key(ask: BaseModel) -> str:
    """Derive the key from the form and its content: a double click is one job, a changed text
    another."""
    nonce = request.form.get("nonce", "") or new_nonce()
    return hashlib.sha256(f"{nonce}:{ask.model_dump_json()}".encode()).hexdigest()


def chosen_model(models: Sequence[ModelOut], wanted: str | None) -> ModelOut | None:
    """Return the wanted model, else the default, else the first; None when there are none."""
    for model in models:
        if model.id == wanted:
            return model
    return next((model for model in models if model.default), models[0] if models else None)
