"""What every answer carries and every POST must prove."""

from urllib.parse import urlsplit

from flask import Flask, Response, abort, request
from flask_wtf.csrf import CSRFProtect

from admin_web.settings import WebSettings

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; "
    "font-src 'self'; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}


def protect(app: Flask, settings: WebSettings) -> None:
    """CSRF tokens, the browser's own word on where a POST comes from, and headers."""
    app.config["WTF_CSRF_TIME_LIMIT"] = None
    # The Referer check of the library needs to see https, which ends at the operator's proxy;
    # `_same_site` does its work.
    app.config["WTF_CSRF_SSL_STRICT"] = False
    own_hosts = {urlsplit(settings.public_url).netloc} if settings.public_url else set()

    def same_site() -> None:
        if request.method in SAFE_METHODS:
            return
        said = request.headers.get("Sec-Fetch-Site")
        if said is not None and said not in {"same-origin", "none"}:
            abort(400, "This form was sent from another site.")
        origin = request.headers.get("Origin")
        if (
            said is None
            and origin is not None
            and origin.partition("://")[2] not in {request.host, *own_hosts}
        ):
            abort(400, "This form was sent from another site.")

    def headers(response: Response) -> Response:
        response.headers.setdefault("Content-Security-Policy", CSP)
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "same-origin"
        response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
        response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
        response.headers["Permissions-Policy"] = "camera=(), microphone=(), geolocation=()"
        if settings.is_https:
            response.headers["Strict-Transport-Security"] = "max-age=31536000"
        if request.endpoint != "static":
            response.headers.setdefault("Cache-Control", "no-store")
        elif "v" in request.args:
            # the address changes with the file
            response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        elif request.path.endswith(".js"):
            # a script that another one imports has no version in its address: an old one beside a
            # new one would not fit
            response.headers["Cache-Control"] = "no-cache"
        return response

    app.before_request(same_site)
    CSRFProtect(app)
    app.after_request(headers)
