"""The web's app factory."""

from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pkgutil import iter_modules

import httpx
from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from admin_web import assets, errors, pages, render
from admin_web.security import admins, csrf, headers, reauth
from admin_web.sessions import caller
from admin_web.sessions.flask_session import StoredSessions, derive, open_store
from admin_web.settings import AGENT, WebSettings
from admin_web.words import language
from client.connections import open_http

MAX_BODY = 40 * 1024 * 1024
QUICK = httpx.Timeout(10, connect=3)
"""For calls of the API, which a page waits for."""


def create_app(settings: WebSettings) -> Flask:
    """Make the app. It opens only the session file; connections to the api are made when the first
    page needs one."""
    app = Flask("admin_web")
    app.config.update(
        SECRET_KEY=derive(settings, "forms"),
        MAX_CONTENT_LENGTH=MAX_BODY,
        SEND_FILE_MAX_AGE_DEFAULT=3600,
        TEMPLATES_AUTO_RELOAD=False,
    )
    app.session_interface = StoredSessions(open_store(settings), settings)
    app.extensions["api_http"] = open_http(settings.api_url, AGENT, QUICK)
    app.extensions["settings"] = settings
    app.extensions["asking"] = ThreadPoolExecutor(caller.AT_ONCE, "asking")
    if settings.is_https:
        # https ends at the operator's proxy: the address that counts failed logins is the one it
        # names
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=0, x_host=0)  # type: ignore[method-assign]
    errors.prepare(app)
    csrf.prepare(app, settings)
    headers.prepare(app, settings)
    app.before_request(caller.require_sign_in)
    app.before_request(reauth.prove)
    app.before_request(admins.only_admins)
    language.prepare(app)
    render.prepare(app)
    assets.prepare(app)
    for page in iter_modules(pages.__path__):
        app.register_blueprint(import_module(f"{pages.__name__}.{page.name}").pages)
    return app
