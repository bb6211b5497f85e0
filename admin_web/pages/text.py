"""Asking for text: a conversation that streams in; without scripts the same form answers as a page."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack

from flask import Blueprint, Response, jsonify, redirect, request, url_for
from flask.typing import ResponseReturnValue

from admin_web.api_http import ApiDown, ApiError
from admin_web.caller import api
from admin_web.forms import Invalid, chosen_model, given, idempotency_key, new_nonce, read
from admin_web.making import no_models, price
from admin_web.render import page
from admin_web.words import FormError, in_words
from api.text.schemas import TextIn

pages = Blueprint("text", __name__)

FIELDS = ("prompt", "model", "conversation_id", "system")


@pages.get("/generate")
def generate() -> ResponseReturnValue:
    return redirect(url_for("text.show"))


@pages.get("/generate/text")
def show() -> ResponseReturnValue:
    return _page({**request.args.to_dict(), "conversation_id": request.args.get("conversation", "")})


@pages.post("/generate/text")
def submit() -> ResponseReturnValue:
    try:
        ask = read(TextIn, given(*FIELDS))
        answer = api().text(ask, idempotency_key(ask))
    except Invalid as invalid:
        return _page(request.form, error=invalid.error, status=422)
    except ApiError as error:
        if error.needs_person:
            raise
        nonce = request.form.get("nonce") if isinstance(error, ApiDown) else None
        return _page(request.form, error=in_words(error), status=error.status, nonce=nonce)
    return redirect(url_for("text.show", conversation=answer.conversation_id, model=ask.model, _anchor="latest"))


@pages.post("/generate/text/stream")
def stream() -> ResponseReturnValue:
    """The api's events as they come. What is wrong before the first event is a JSON answer with the words for it."""
    try:
        ask = read(TextIn, {**given(*FIELDS), "stream": True})
        stack = ExitStack()
        events = stack.enter_context(api().text_stream(ask, idempotency_key(ask)))
    except Invalid as invalid:
        return jsonify(error=_spoken(invalid.error), fields=invalid.error.fields), 422
    except ApiError as error:
        if error.needs_person:
            raise
        words = in_words(error)
        return jsonify(error=_spoken(words), fields=words.fields), error.status

    def body() -> Iterator[bytes]:
        with stack:
            yield from events

    response = Response(body(), content_type="text/event-stream; charset=utf-8", headers={"X-Accel-Buffering": "no"})
    response.call_on_close(stack.close)
    return response


def _spoken(error: FormError) -> dict[str, str]:
    return {"message": error.message, "hint": error.hint, "code": error.code}


def _page(values: Mapping[str, str], error: FormError | None = None, status: int = 200, nonce: str | None = None) -> ResponseReturnValue:
    models = api().models("text")
    model = chosen_model(models, values.get("model"))
    held = values.get("conversation_id", "")
    return page(
        "generate/text.html",
        status,
        models=models,
        model=model,
        values=values,
        price=price(model, values),
        conversation=api().conversation(held) if held else None,
        conversations=api().conversations().items,
        error=error or (None if models else no_models("text")),
        nonce=nonce or new_nonce(),
    )
