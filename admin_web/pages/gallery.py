"""Everything that was made, newest first."""

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from admin_web.caller import api
from admin_web.render import page

pages = Blueprint("gallery", __name__)

KINDS = {"image", "video"}


@pages.get("/gallery")
def show() -> ResponseReturnValue:
    kind = request.args.get("kind", "")
    kind = kind if kind in KINDS else ""
    shown = "all" if request.args.get("show") == "all" else "finished"
    q = request.args.get("q", "").strip()[:200]
    cursor = request.args.get("cursor") or None
    found = api().generations(kind=kind, status=None if shown == "all" else "completed", q=q, cursor=cursor)
    return page("gallery/show.html", found=found, kind=kind, shown=shown, q=q, cursor=cursor)
