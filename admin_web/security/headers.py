"""The security and cache headers of every answer."""

from urllib.parse import urlsplit

from flask import Flask, Response, request

from admin_web.settings import WebSettings

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'{store}; "
    "media-src 'self'{store}; font-src 'self'; connect-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'"
)
"""`store`: the place where browsers get files from, when that is not the web."""


def prepare(app: Flask, settings: WebSettings) -> None:
    parts = urlsplit(settings.public_media_url or "")
    csp = CSP.format(store=f" {parts.scheme}://{parts.netloc}" if parts.netloc else "")

    def add(response: Response) -> Response:
        response.headers.setdefault("Content-Security-Policy", csp)
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

    app.after_request(add)
