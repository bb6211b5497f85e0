"""The password once more, before an act that needs it. The form of the act waits in the page that
asks."""

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
    """Run before every page. A form that was sent again from the page that asks brings the
    password; with a right one it goes on as if nothing had been asked."""
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
    """Render the page that asks. A form is sent on to its target; for a page that was opened only
    the address is kept."""
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
    """Return the fields of this request's form, without secrets."""
    return [
        (name, value) for name, value in request.form.items(multi=True) if name not in NEVER_KEPT
    ]
