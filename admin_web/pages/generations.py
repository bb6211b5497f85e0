"""One image or video: its page, its live card, Cancel."""

from flask import Blueprint, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue

from admin_web.api_http import ApiError
from admin_web.caller import api, me, safe_next
from admin_web.render import RUNNING, fragment, left, page
from admin_web.words import in_words

pages = Blueprint("generations", __name__)


@pages.get("/generations/<generation_id>")
def show(generation_id: str) -> ResponseReturnValue:
    return page("generations/show.html", generation=api().generation(generation_id))


@pages.get("/videos/<generation_id>")
def video(generation_id: str) -> ResponseReturnValue:
    return redirect(url_for("generations.show", generation_id=generation_id))


@pages.get("/generations/<generation_id>/card")
def card(generation_id: str) -> ResponseReturnValue:
    """`view=page`: with the facts beside it. A finished one also brings the balance that it has changed."""
    generation = api().generation(generation_id)
    balance = None if generation.status in RUNNING else left(me())
    template = "generations/_detail.html" if request.args.get("view") == "page" else "generations/_card.html"
    return fragment(template, generation=generation, balance=balance)


@pages.post("/generations/<generation_id>/cancel")
def cancel(generation_id: str) -> ResponseReturnValue:
    try:
        api().cancel(generation_id)
        flash("Cancelled. Nothing more is charged for it.", "info")
    except ApiError as error:
        if error.code != "already_finished":
            raise
        flash(in_words(error).message, "info")
    return redirect(safe_next(request.form.get("next") or url_for("generations.show", generation_id=generation_id)))
