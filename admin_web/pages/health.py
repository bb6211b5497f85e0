"""The health check of this process, for the supervisor."""

from flask import Blueprint, Response, jsonify

pages = Blueprint("machine", __name__)


@pages.get("/healthz")
def healthz() -> Response:
    return jsonify(ok=True)
