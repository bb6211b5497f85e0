"""The web's app factory."""

import httpx
from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from admin_web import assets, errors, render
from admin_web.metrics import WebMetrics
from admin_web.pages import (
    admin_audit,
    admin_backups,
    admin_board,
    admin_bots,
    admin_broadcast,
    admin_budgets,
    admin_check_up,
    admin_deliveries,
    admin_jobs,
    admin_joins,
    admin_models,
    admin_places,
    admin_retention,
    admin_settings,
    admin_spend,
    admin_users,
    auth,
    chat_links,
    dashboard,
    gallery,
    generations,
    health,
    inbox,
    making,
    media,
    own_data,
    profile,
    sessions,
    sharing,
    sign_up,
    speech,
    spend,
    text,
)
from admin_web.security import admins, csrf, headers, reauth
from admin_web.sessions import caller
from admin_web.sessions.cookies import keys
from admin_web.sessions.flask_session import SealedSessions
from admin_web.settings import AGENT, WebSettings
from admin_web.words import language
from client.connections import open_http

MAX_BODY = 40 * 1024 * 1024
QUICK = httpx.Timeout(10, connect=3)
"""For calls of the API, which a page waits for."""
PAGES = (
    admin_audit,
    admin_backups,
    admin_board,
    admin_bots,
    admin_broadcast,
    admin_budgets,
    admin_check_up,
    admin_deliveries,
    admin_jobs,
    admin_joins,
    admin_models,
    admin_places,
    admin_retention,
    admin_settings,
    admin_spend,
    admin_users,
    auth,
    chat_links,
    dashboard,
    gallery,
    generations,
    health,
    inbox,
    making,
    media,
    own_data,
    profile,
    sessions,
    sharing,
    sign_up,
    speech,
    spend,
    text,
)
"""Modules with a blueprint named `pages`."""


def create_app(settings: WebSettings) -> Flask:
    """Make the app. It opens no file of its own; connections to the api are made when the first
    page needs one."""
    app = Flask("admin_web")
    form_keys = keys(settings, "forms")
    app.config.update(
        SECRET_KEY=form_keys[0],
        WTF_CSRF_SECRET_KEY=form_keys[::-1],  # the last one signs
        MAX_CONTENT_LENGTH=MAX_BODY,
        SEND_FILE_MAX_AGE_DEFAULT=3600,
        TEMPLATES_AUTO_RELOAD=False,
    )
    app.session_interface = SealedSessions(settings)
    app.extensions["api_http"] = open_http(settings.api_url, AGENT, QUICK)
    app.extensions["settings"] = settings
    app.extensions["metrics"] = WebMetrics()
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
    for page in PAGES:
        app.register_blueprint(page.pages)
    return app
