"""Cross-site request forgery: every POST proves that a page of this site has sent it."""

from urllib.parse import urlsplit

from flask import Flask, abort, request
from flask_wtf.csrf import CSRFProtect

from admin_web.settings import WebSettings

SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}


def prepare(app: Flask, settings: WebSettings) -> None:
    """Check the token in each form, and the browser's own word on the origin of a POST."""
    app.config["WTF_CSRF_TIME_LIMIT"] = None
    # The Referer check of the library needs to see https, which ends at the operator's proxy;
    # `same_site` does its work.
    app.config["WTF_CSRF_SSL_STRICT"] = False
    own_hosts = {urlsplit(settings.public_url).netloc} if settings.public_url else set()

    def same_site() -> None:
        if request.method in SAFE_METHODS:
            return
        said = request.headers.get("Sec-Fetch-Site")
        if said is None:
            origin = request.headers.get("Origin")
            is_ours = origin is None or origin.partition("://")[2] in {request.host, *own_hosts}
        else:
            is_ours = said in {"same-origin", "none"}
        if not is_ours:
            abort(400, "This form was sent from another site.")

    app.before_request(same_site)
    CSRFProtect(app)
