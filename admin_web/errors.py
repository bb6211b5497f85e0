"""Every error as a page of the product, or as JSON for our own scripts. Never a traceback."""

import time
from contextlib import ExitStack, suppress
from typing import cast

from flask import Flask, Response, current_app, g, jsonify, make_response, request
from flask_wtf.csrf import CSRFError
from structlog import get_logger
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from admin_web.render import fragment, is_sandbox
from admin_web.security.reauth import ask, kept_fields
from admin_web.sessions.caller import PUBLIC, is_script, me, session_ended, to_login, web_session
from admin_web.sessions.flask_session import SessionEnded
from admin_web.words.errors import FormError, in_words
from admin_web.words.language import _
from client.errors import ApiError
from client.schemas.users import UserOut
from client.words.language import N_
from telemetry.requests import HEADER, TRACE_HEADER, of_request
from telemetry.spans import span

log = get_logger("web")

_TITLES = {
    400: N_("That did not work"),
    403: N_("This is not for your account"),
    404: N_("There is nothing here"),
    405: N_("That did not work"),
    413: N_("That is too large"),
    500: N_("Something broke on our side"),
    503: N_("The studio is waking up"),
}
_TEXTS = {
    400: N_(
        "The form was too old or came from another place. Go back, reload the page and send it "
        "again."
    ),
    403: N_("Your account may not see this page. An admin can change that."),
    404: N_("The address is wrong, or what was here has been deleted."),
    405: N_("This address cannot be opened in this way."),
    413: N_("The files of one form may have 40 MB together. Go back and choose smaller ones."),
    500: N_("It has been written down. Nothing you own is lost; try again in a moment."),
    503: N_(
        "Its engine does not answer right now. Running jobs go on; this page tries again by itself."
    ),
}
UNAUTHORIZED = 401
NOT_FOUND = 404
ANSWERED = {403, NOT_FOUND}
INTERNAL = 500
READS = {"GET", "HEAD", "OPTIONS"}


def prepare(app: Flask) -> None:
    app.register_error_handler(SessionEnded, lambda _error: session_ended())
    app.register_error_handler(ApiError, _api_error)
    app.register_error_handler(CSRFError, _old_form)
    app.register_error_handler(HTTPException, _http_error)
    app.before_request(_name_request)
    app.after_request(_tell_name)
    app.teardown_request(_end)


def _name_request() -> None:
    """Name the request: by this name the operator finds in the log what the person saw."""
    g.began = time.perf_counter()
    g.named = ExitStack()
    g.request_id = g.named.enter_context(
        of_request(request.headers.get(HEADER), request.headers.get(TRACE_HEADER))
    )
    g.span = g.named.enter_context(span(f"{request.method} {request.endpoint}", "server"))


def _end(_error: BaseException | None) -> None:
    if (named := g.pop("named", None)) is not None:
        named.close()


def _tell_name(response: Response) -> Response:
    response.headers[HEADER] = g.get("request_id", "")
    g.span.note(**{"http.response.status_code": response.status_code})
    seconds = time.perf_counter() - g.get("began", time.perf_counter())
    current_app.extensions["metrics"].answered(
        request.method, request.endpoint, response.status_code, seconds
    )
    if request.method not in READS or response.status_code >= INTERNAL:
        log.info(
            "page_answered",
            method=request.method,
            page=request.endpoint,
            status=response.status_code,
        )
    return response


def error_page(status: int, error: FormError | None = None) -> Response:
    known = status if status in _TITLES else INTERNAL if status >= INTERNAL else 400
    title, text = _(_TITLES[known]), _(_TEXTS[known])
    if is_script():
        said = error or FormError(title, text)
        # a question about the cost is no failure: the browser would write one into its console
        return make_response(jsonify(said.spoken), 200 if said.code == "confirm_cost" else status)
    # the api's name for a missing thing helps nobody
    said_too = None if status == NOT_FOUND else error
    viewer = _viewer(status)
    shown = {"status": status, "title": title, "text": text, "request_id": g.get("request_id", "")}
    sandbox = viewer is not None and status in ANSWERED and is_sandbox()
    html = fragment("error.html", **shown, error=said_too, viewer=viewer, sandbox=sandbox)
    return make_response(html, status)


def _viewer(status: int) -> UserOut | None:
    """Return the person whose menu is on the page. The api is asked only where it has just
    answered: elsewhere it may be the part that failed."""
    if status in ANSWERED and web_session().sid is not None:
        with suppress(ApiError, SessionEnded):
            return me()
    return cast("UserOut | None", g.get("me"))


def _old_form(_error: CSRFError) -> Response:
    """Answer a form whose token is wrong. Mostly the session has ended, or another one has begun,
    so a visitor is asked to sign in first."""
    gone = web_session().sid is None and request.endpoint not in PUBLIC
    return to_login() if gone else error_page(400)


def _api_error(error: ApiError) -> Response:
    if error.status == UNAUTHORIZED and not error.unanswered:
        return session_ended()
    if error.code == "reauth_required" and not is_script():
        return ask()
    # the api's log has the failure under the api's own name for the request
    g.request_id = error.request_id or g.request_id
    if not error.unanswered:
        return error_page(error.status, in_words(error))
    if is_script():
        return error_page(503, in_words(error))
    return _waiting() if request.method == "POST" else error_page(503)


def _waiting() -> Response:
    """Keep the typed text in the page, with its nonce: sending it again cannot make a second
    job."""
    html = fragment("api_away.html", kept=kept_fields(), viewer=g.get("me"))
    return make_response(html, 503)


def _http_error(error: HTTPException) -> Response:
    if error.response is not None or error.code is None:
        return make_response(error.get_response())
    if error.code >= INTERNAL:
        current_app.logger.error("request %s was %s %s", g.request_id, request.method, request.path)
    answer = error_page(error.code)
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        answer.headers["Allow"] = ", ".join(sorted(error.valid_methods))
    return answer
