"""Conversations with a text model: the answer streams in; without scripts the same form answers
with a page."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import dataclass
from hashlib import sha256

from flask import (
    Blueprint,
    Response,
    flash,
    jsonify,
    redirect,
    request,
    stream_with_context,
    url_for,
)
from flask.typing import ResponseReturnValue

from admin_web.forms.acts import go, refusal, same_nonce
from admin_web.forms.documents import ChosenFiles, chosen_files, uploaded_files
from admin_web.forms.fields import Invalid, chosen_model, given, idempotency_key, new_nonce, read
from admin_web.forms.last_used import last_model, preferences, use_model
from admin_web.forms.prices import no_models, price
from admin_web.markdown import as_html
from admin_web.render import fragment, left, page
from admin_web.sessions.caller import all_soon, answer_or, api, expect_me, soon, web_session
from admin_web.sessions.flask_session import SessionEnded
from admin_web.words.errors import FormError, charged, failure
from admin_web.words.formats import money, thought
from admin_web.words.language import _
from client import calls
from client.call import Call
from client.errors import ApiError
from client.exchange import TextEvent
from client.schemas import Page
from client.schemas import text as schemas
from client.schemas.catalog import ModelOut
from client.schemas.retention import KeptDaysOut
from client.schemas.sound import RECORDING_SECONDS
from client.schemas.users import PreferencesIn

pages = Blueprint("text", __name__)

FIELDS = ("prompt", "model", "conversation_id", "after", "effort", "system", "scan", "web")
PREFERRED = "preferred"
RECORDING_MB = 35
"""The web takes no larger request than 40 MB."""
AT_ONCE = 40
"""Conversations in the list at the side."""
REDRAW_SECONDS = 0.15
"""The time between two drawings of an answer that is being written."""
UNSURE_WAITS = (0.2, 0.4, 0.8, 1.6, 3.0)
CHARGE_WAITS = (0.2, 0.4, 0.8, 1.6)


@pages.get("/generate")
def generate() -> ResponseReturnValue:
    return redirect(url_for("text.show"))


@pages.get("/generate/text")
def show() -> ResponseReturnValue:
    expect_me()
    held = request.args.get("conversation", "")
    coming = _parts(held)
    kept = preferences()
    values = {**last_model("text", kept), "system": kept.text_system or ""}
    values["web"] = PREFERRED if kept.web_search else ""
    return _page({**values, **request.args.to_dict(), "conversation_id": held}, coming)


@pages.get("/generate/text/history")
def history() -> ResponseReturnValue:
    """The list at the side alone, for a search and after a new conversation."""
    current = request.args.get("conversation", "")
    found = api().send(_asked_for())
    return fragment("generate/_history.html", conversations=found, current=current)


@pages.post("/generate/text")
def submit() -> ResponseReturnValue:
    files = ChosenFiles()
    try:
        files = chosen_files()
        ask = _ask(files)
        answer = api().send(calls.text(ask, idempotency_key(ask)))
    except (Invalid, ApiError) as refused:
        error, status = refusal(refused)
        nonce = same_nonce(refused)
        return _page(request.form, files=files, error=error, status=status, nonce=nonce)
    return redirect(
        url_for("text.show", conversation=answer.conversation_id, model=ask.model, _anchor="latest")
    )


@pages.post("/generate/text/stream")
def stream() -> ResponseReturnValue:
    """Stream the answer as server-sent events: `start {id, conversation_id}`, `thinking {html}` and
    `html {html}` with the answer so far, then `done {html, ending, note, balance}` or `error {html,
    message, balance}`. An error before the first event is a JSON answer with its words."""
    stack = ExitStack()
    try:
        ask = _ask(chosen_files(), stream=True)
        upstream = _begun(ask, stack)
    except (Invalid, ApiError) as refused:
        error, status = refusal(refused)
        return jsonify(error.spoken), status

    def body() -> Iterator[str]:
        with stack:
            yield from _events(upstream)

    streamed = stream_with_context(body())
    response = Response(streamed, content_type="text/event-stream; charset=utf-8")
    response.headers["X-Accel-Buffering"] = "no"
    response.call_on_close(stack.close)
    return response


@pages.post("/generate/text/attach")
def attach() -> ResponseReturnValue:
    """Upload the files that were dropped or pasted; the answer is their part of the form."""
    return fragment("generate/_enclosed.html", files=uploaded_files())


@pages.post("/generate/text/<answer_id>/stop")
def stop(answer_id: str) -> ResponseReturnValue:
    """Tell the charge for an answer that its reader has stopped, or whose stream was lost."""
    cost = api().send(calls.stop_text(answer_id)).charged_usd
    for wait in CHARGE_WAITS:
        if cost is not None:
            break
        time.sleep(wait)  # another process of the api settles it, in a moment
        cost = api().send(calls.stop_text(answer_id)).charged_usd
    return jsonify(note=charged(cost), balance=money(left(api().send(calls.me()))))


@pages.post("/generate/text/<conversation_id>/rename")
def rename(conversation_id: str) -> ResponseReturnValue:
    try:
        title = read(schemas.RenameIn, {"title": request.form.get("title", "")}).title
        api().send(calls.rename_conversation(conversation_id, title))
    except Invalid:
        flash(_("A conversation needs a name of up to 200 characters."), "error")
    return redirect(url_for("text.show", conversation=conversation_id))


@pages.post("/generate/text/<conversation_id>/delete")
def delete(conversation_id: str) -> ResponseReturnValue:
    if request.form.get("sure") != "yes":
        said, kept = _("The whole conversation is deleted."), [("sure", "yes")]
        return page("confirm.html", sentence=said, yes=_("Delete"), kept=kept)
    api().send(calls.delete_conversation(conversation_id))
    flash(_("Deleted."), "success")
    return go(url_for("text.show"))


def _ask(files: ChosenFiles, *, stream: bool = False) -> schemas.TextIn:
    fields = given(*FIELDS)
    if "after" in fields:
        fields.pop("model", None)  # the model of the earlier answer goes on
    # a tick that is not set says no; one that stands there by preference holds as far as it can
    if fields.setdefault("web", "false") == PREFERRED:
        fields.pop("web")
    asked = read(
        schemas.TextIn,
        {
            **fields,
            "images": [image.id for image in files.images] or None,
            "documents": [document.id for document in files.documents] or None,
            "stream": stream,
        },
    )
    if asked.model:
        use_model("text", asked.model)
    digest = sha256((asked.system or "").encode()).hexdigest()[:16] if asked.system else ""
    if web_session().get("text_system", "") != digest:
        web_session()["text_system"] = digest
        with suppress(ApiError):
            api().send(calls.prefer(PreferencesIn(text_system=asked.system)))
    return asked


def _begun(ask: schemas.TextIn, stack: ExitStack) -> Iterator[TextEvent]:
    """Begin the answer. The form's `unsure` means that a first answer was stopped, whose
    conversation is stored a moment later; if it never is, the question begins a new
    conversation."""
    if request.form.get("unsure"):
        for wait in UNSURE_WAITS:
            try:
                return stack.enter_context(_answer(ask))
            except ApiError as error:
                if error.code != "not_found":
                    raise
            time.sleep(wait)
        ask = ask.model_copy(update={"conversation_id": None})
    return stack.enter_context(_answer(ask))


def _answer(ask: schemas.TextIn) -> AbstractContextManager[Iterator[TextEvent]]:
    return api().events(calls.text_stream(ask, idempotency_key(ask)))


def _events(upstream: Iterator[TextEvent]) -> Iterator[str]:
    text, drawn = "", 0.0
    try:
        for event in upstream:
            match event:
                case schemas.DeltaEvent():
                    text += event.text
                    if time.monotonic() - drawn >= REDRAW_SECONDS:
                        yield _event("html", html=as_html(text))
                        drawn = time.monotonic()
                case schemas.ThinkingEvent():
                    text = "" if event.forget else text
                    yield _event("thinking", html=as_html(text))
                case schemas.StartEvent():
                    yield _event("start", id=event.id, conversation_id=event.conversation_id)
                case schemas.DoneEvent():
                    yield _done(event)
                case schemas.ErrorEvent():
                    yield _broken(event, text)
    except ApiError:
        # the connection to the api is lost: the page keeps its text and says so by itself
        return


def _balance() -> str:
    """Return the rest of the budget; empty where nobody can say it now, because the sign-in has
    ended since the answer began."""
    try:
        return money(left(api().send(calls.me())))
    except (ApiError, SessionEnded):
        return ""


def _broken(event: schemas.ErrorEvent, text: str) -> str:
    message = f"{failure(event.error)} {charged(event.error.charged_usd)}".strip()
    return _event("error", html=as_html(text), message=message, balance=_balance())


def _done(done: schemas.DoneEvent) -> str:
    answer = done.answer
    instead = _("instead of %(model)s", model=answer.instead_of) if answer.instead_of else ""
    said = [answer.model, instead, money(answer.cost_usd), thought(answer.usage.thinking_seconds)]
    note = " · ".join(filter(None, [*said, "sandbox" if answer.sandbox else ""]))
    shown = {"answer": answer, "is_last": True, "nonce": new_nonce()}
    ending = fragment("generate/_answer_end.html", **shown).strip()
    return _event("done", html=as_html(answer.text), ending=ending, note=note, balance=_balance())


def _event(name: str, **data: str) -> str:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"


def _asked_for() -> Call[Page[schemas.ConversationOut]]:
    words, cursor = request.args.get("q", "").strip()[:200], request.args.get("after") or None
    return calls.conversations(q=words, cursor=cursor, limit=AT_ONCE)


@dataclass(frozen=True, slots=True)
class _TextParts:
    """Parts of the page that have been asked for."""

    models: Callable[[], list[ModelOut]]
    found: Callable[[], Page[schemas.ConversationOut]]
    days: Callable[[], KeptDaysOut]
    conversation: Callable[[], schemas.ConversationDetailOut] | None


def _parts(held: str) -> _TextParts:
    """`held`: the conversation that is open; empty for a new one."""
    conversation = soon(calls.conversation(held)) if held else None
    models = all_soon(calls.models("text"))
    return _TextParts(models, soon(_asked_for()), soon(calls.kept()), conversation)


def asked_anew(
    values: Mapping[str, str], error: FormError | None, status: int
) -> ResponseReturnValue:
    """Return the page with these values in the form, and what is wrong."""
    return _page(values, error=error, status=status)


def _page(
    values: Mapping[str, str],
    coming: _TextParts | None = None,
    *,
    files: ChosenFiles | None = None,
    error: FormError | None = None,
    status: int = 200,
    nonce: str | None = None,
) -> ResponseReturnValue:
    files = files or ChosenFiles()
    held = values.get("conversation_id", "")
    coming = coming or _parts(held)
    models = coming.models()
    model = chosen_model(models, values.get("model"))
    return page(
        "generate/text.html",
        status,
        models=models,
        model=model,
        values=values,
        price=price(model, values, None, [document.id for document in files.documents]),
        conversation=coming.conversation() if coming.conversation else None,
        conversations=coming.found(),
        days=answer_or(coming.days, None),
        current=held,
        files=files,
        error=error or (None if models else no_models("text")),
        nonce=nonce or new_nonce(),
        minutes=RECORDING_SECONDS // 60,
        megabytes=RECORDING_MB,
    )
