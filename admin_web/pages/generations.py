"""One image or video: its page, its live card, and the acts on it."""

import secrets

from flask import Blueprint, flash, jsonify, redirect, request, url_for
from flask.typing import ResponseReturnValue

from admin_web.forms.acts import go, say_and_go
from admin_web.forms.fields import idempotency_key, new_nonce
from admin_web.pages.sharing import facts
from admin_web.render import RUNNING, fragment, left, page
from admin_web.sessions.caller import api, expect_me, is_script, me, safe_next
from admin_web.words.errors import in_words
from admin_web.words.language import _
from client import calls
from client.errors import ApiError
from client.schemas.generations import AgainIn, Changes, GenerationOut, ImageIn
from client.schemas.provider import OPTIONS

pages = Blueprint("generations", __name__)


@pages.get("/generations/<generation_id>")
def show(generation_id: str) -> ResponseReturnValue:
    expect_me()
    generation = api().send(calls.generation(generation_id))
    return page(
        "generations/show.html",
        generation=generation,
        nonce=new_nonce(),
        view="page",
        **facts(generation),
    )


@pages.get("/videos/<generation_id>")
def video(generation_id: str) -> ResponseReturnValue:
    return redirect(url_for("generations.show", generation_id=generation_id))


@pages.get("/generations/<generation_id>/card")
def card(generation_id: str) -> ResponseReturnValue:
    """The card, with `view=page` also the facts beside it. A finished one brings the new
    balance."""
    generation = api().send(calls.generation(generation_id))
    balance = None if generation.status in RUNNING else left(me())
    view = request.args.get("view", "")
    template = "generations/_detail.html" if view == "page" else "generations/_card.html"
    more = facts(generation) if view == "page" else {}
    return fragment(
        template, generation=generation, balance=balance, view=view, nonce=new_nonce(), **more
    )


@pages.post("/generations/<generation_id>/cancel")
def cancel(generation_id: str) -> ResponseReturnValue:
    said = _("Cancelled. Nothing more is charged for it.")
    try:
        api().send(calls.cancel(generation_id))
    except ApiError as error:
        if error.code != "already_finished":
            raise
        said = in_words(error).message
    if is_script():
        return jsonify(toast=said)
    here = url_for("generations.show", generation_id=generation_id)
    return say_and_go(said, safe_next(request.form.get("next") or here), "info")


@pages.post("/generations/<generation_id>/again")
def again(generation_id: str) -> ResponseReturnValue:
    """The same once more; with `vary`, something like it."""
    generation = api().send(calls.generation(generation_id))
    confirm = request.form.get("confirm") == "true"
    try:
        vary = request.form.get("vary", "")
        made = _vary(generation, confirm) if vary else _repeat(generation, Changes(), confirm)
    except ApiError as error:
        if error.code != "confirm_cost" or is_script():
            raise
        kept = [("confirm", "true"), ("vary", vary)]
        return _ask(in_words(error).message, _("Yes, make it"), kept)
    return go(url_for("generations.show", generation_id=made.id))


@pages.post("/generations/<generation_id>/favourite")
def favourite(generation_id: str) -> ResponseReturnValue:
    wanted = request.form.get("favourite") == "true"
    generation = api().send(calls.set_favourite(generation_id, wanted))
    if is_script():
        return jsonify(html=fragment("generations/_favourite.html", generation=generation))
    return redirect(url_for("generations.show", generation_id=generation_id))


@pages.post("/generations/<generation_id>/delete")
def delete(generation_id: str) -> ResponseReturnValue:
    if request.form.get("sure") != "yes":
        return _ask(_("It is deleted for good, with its files."), _("Delete"), [("sure", "yes")])
    api().send(calls.delete_generation(generation_id))
    flash(_("Deleted."), "success")
    return go(url_for("gallery.show"))


def _repeat(generation: GenerationOut, changes: Changes, confirm: bool) -> GenerationOut:
    ask = AgainIn(changes=changes, confirm=confirm)
    return api().send(calls.again(generation.id, ask, idempotency_key(ask)))


def _vary(generation: GenerationOut, confirm: bool) -> GenerationOut:
    """Start from the picture that `vary` names, where its model takes one; else use another
    seed."""
    models = api().all(calls.models(generation.kind))
    able = next((one.capabilities for one in models if one.id == generation.model), None)
    images = generation.images if generation.kind == "image" else []
    if images and able is not None and able.max_input_images:
        named = next((image for image in images if image.id == request.form["vary"]), images[0])
        options = {
            name: value
            for name, value in generation.options.items()
            if name in ImageIn.model_fields and name != "seed"
        }
        asked = {"prompt": generation.prompt, "model": generation.model, "confirm": confirm}
        ask = ImageIn.model_validate({**options, **asked, "input_images": [named.id]})
        return api().send(calls.image(ask, idempotency_key(ask)))
    seed = secrets.randbelow(OPTIONS["seed"].most) if able is not None and able.seed else None
    return _repeat(generation, Changes() if seed is None else Changes(seed=seed), confirm)


def _ask(sentence: str, yes: str, fields: list[tuple[str, str]]) -> ResponseReturnValue:
    """Ask on a page, for a browser without scripts."""
    kept = [("nonce", request.form.get("nonce", "")), *fields]
    return page("confirm.html", sentence=sentence, yes=yes, kept=kept)
