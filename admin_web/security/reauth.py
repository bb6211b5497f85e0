"""The password once more, before something that needs it: what was asked for waits in the page that
asks for the password."""

from dataclasses import replace

from flask import Response, request

from admin_web.render import page
from admin_web.sessions.caller import api, web_session
from admin_web.words.errors import FormError, in_words
from client import calls
from client.errors import ApiError

FIELD = "reauth_password"
NEVER_KEPT = {"csrf_token", "password", "repeat", "current_password", "new_password", FIELD}


def prove() -> Response | None:
    """Runs before every page. A form that was sent again from the page below brings the password;
    with a right one it goes on as if nothing had been asked."""
    if request.method != "POST" or FIELD not in request.form or web_session().sid is None:
        return None
    try:
        api().send(calls.reauth(request.form[FIELD]))
    except ApiError as error:
        if error.needs_person or error.unanswered:
            raise
        said = in_words(error)
        wrong = said.fields.get("current_password")
        return ask(
            replace(said, message=wrong, hint="", fields={FIELD: wrong}) if wrong else said,
            error.status,
        )
    return None


def ask(error: FormError | None = None, status: int = 403) -> Response:
    """The page that asks. A form is sent on to where it was going; of a page that was opened only
    its address is kept."""
    again = request.full_path.rstrip("?")
    is_form = request.method == "POST"
    fields = kept_fields() if is_form else [("next", again)]
    return page(
        "auth/reauth.html",
        status,
        error=error,
        kept=fields,
        target=again if is_form else None,
        field=FIELD,
    )


def kept_fields() -> list[tuple[str, str]]:
    """What was typed into the form of this request, without secrets."""
    return [
        (name, value) for name, value in request.form.items(multi=True) if name not in NEVER_KEPT
    ]
