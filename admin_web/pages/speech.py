"""Answers read aloud, and questions that are spoken: a recording becomes the text of the form."""

from flask import Blueprint, jsonify, request, url_for
from flask.typing import ResponseReturnValue

from admin_web.forms.acts import refusal, say_and_go
from admin_web.forms.fields import idempotency_key, new_nonce
from admin_web.pages.text import asked_anew
from admin_web.render import fragment, page
from admin_web.sessions.caller import api, expect_me, is_script
from admin_web.words.errors import FormError
from admin_web.words.language import _
from client import calls
from client.errors import ApiError
from client.schemas.sound import SpeechIn

pages = Blueprint("speech", __name__)


@pages.post("/generate/text/<answer_id>/speech")
def read_aloud(answer_id: str) -> ResponseReturnValue:
    ask = SpeechIn(answer_id=answer_id)
    try:
        made = api().send(calls.speak(ask, idempotency_key(ask)))
    except ApiError as error:
        said, status = refusal(error)
        if is_script():
            return jsonify(said.spoken), status
        return say_and_go(said.sentence, url_for("text.show"), "error")
    if is_script():
        return jsonify(html=fragment("generate/_speech.html", speech=made))
    return page("generate/speech.html", speech=made)


@pages.post("/generate/speech/transcript")
def transcribe() -> ResponseReturnValue:
    """Write down a recording, and show the form with its words, to be sent or changed."""
    expect_me()
    values = {name: request.form.get(name, "") for name in ("conversation_id", "model")}
    file = request.files.get("recording")
    data = b"" if file is None else file.read()
    if file is None or not data:
        return asked_anew(values, FormError(_("Choose a recording first.")), 422)
    nonce = request.form.get("nonce") or new_nonce()
    kind = file.content_type or "application/octet-stream"
    call = calls.transcribe(file.filename or "recording", data, kind, f"{nonce}:heard")
    try:
        heard = api().send(call)
    except ApiError as refused:
        error, status = refusal(refused)
        return asked_anew(values, error, status)
    if not heard.text:
        return asked_anew(values, FormError(_("There were no words in this recording.")), 422)
    return asked_anew(values | {"prompt": heard.text}, None, 200)
