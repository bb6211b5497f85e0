"""Models, for admins: whether each is offered, to whom and at which price."""

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import cast

from flask import Blueprint, abort, request, url_for
from flask.typing import ResponseReturnValue

from admin_web.forms.acts import act, refusal, say_and_go
from admin_web.forms.fields import Invalid, given, read, typed
from admin_web.forms.filters import cursor, filters
from admin_web.security.admins import admin_page
from admin_web.sessions.caller import api
from admin_web.words.admin_states import KINDS
from admin_web.words.errors import FormError
from admin_web.words.formats import price_words
from admin_web.words.language import _, ngettext
from client import calls
from client.errors import ApiError
from client.schemas import Kind
from client.schemas.catalog import AdminModelOut, ModelChangeIn, NewModelIn, RefreshedOut

pages = Blueprint("admin_models", __name__, url_prefix="/admin/models")

SORTS = {"name", "cheapest", "dearest", "used"}
WHO = {"": None, "user": ["user"], "admin": ["admin"]}
"""The roles by the form's value: everybody, or only one role."""


@pages.get("")
def show() -> ResponseReturnValue:
    kept = filters("q", kind=KINDS, sort=SORTS)
    found = api().send(calls.all_models(**kept, cursor=cursor(), limit=50))
    return admin_page("admin/models.html", found=found, kept=kept, cursor=cursor())


@pages.post("/refresh")
def refresh() -> ResponseReturnValue:
    def words(done: RefreshedOut) -> str:
        return ngettext(
            "The provider's lists are read: %(n)s model is offered.",
            "The provider's lists are read: %(n)s models are offered.",
            done.count,
        )

    return act(calls.refresh_models(), words, url_for("admin_models.show"))


@pages.get("/add")
def ask_add(error: FormError | None = None, status: int = 200) -> ResponseReturnValue:
    return admin_page("admin/add_model.html", status, error=error, values=request.form)


@pages.post("/add")
def add() -> ResponseReturnValue:
    try:
        model = read(NewModelIn, given("id", "kind", "price_override_usd"))
        made = api().send(calls.add_model(model))
    except (Invalid, ApiError) as error:
        return ask_add(*refusal(error))
    return say_and_go(_("%(name)s is added.", name=made.name), _page(made.kind, made.id))


@pages.get("/<kind>/<path:model_id>")
def one(
    kind: str, model_id: str, error: FormError | None = None, status: int = 200
) -> ResponseReturnValue:
    model = api().send(calls.any_model(model_id, _kind(kind)))
    return admin_page("admin/model.html", status, model=model, error=error, values=request.form)


@pages.post("/<kind>/<path:model_id>/offer")
def offer(kind: str, model_id: str) -> ResponseReturnValue:
    enabled = request.form.get("enabled") == "true"

    def words(model: AdminModelOut) -> str:
        if model.enabled:
            return _("%(name)s is offered again.", name=model.name)
        return _("%(name)s is switched off. Jobs that were accepted go on.", name=model.name)

    return _change(kind, model_id, ModelChangeIn(enabled=enabled), words)


@pages.post("/<kind>/<path:model_id>/default")
def make_default(kind: str, model_id: str) -> ResponseReturnValue:
    def words(model: AdminModelOut) -> str:
        return _("Whoever chooses no model gets %(name)s now.", name=model.name)

    return _change(kind, model_id, ModelChangeIn(default=True), words)


@pages.post("/<kind>/<path:model_id>/roles")
def set_roles(kind: str, model_id: str) -> ResponseReturnValue:
    who = request.form.get("roles", "")
    if who not in WHO:
        abort(400)

    def words(model: AdminModelOut) -> str:
        if model.roles is None:
            return _("Everybody may use %(name)s.", name=model.name)
        if model.roles == ["admin"]:
            return _("Only admins may use %(name)s now.", name=model.name)
        return _("Only users who are no admins may use %(name)s now.", name=model.name)

    return _change(kind, model_id, ModelChangeIn.model_validate({"roles": WHO[who]}), words)


@pages.post("/<kind>/<path:model_id>/price")
def set_price(kind: str, model_id: str) -> ResponseReturnValue:
    wanted = typed("price_override_usd")
    try:
        price = read(ModelChangeIn, {"price_override_usd": Decimal(wanted) if wanted else None})
    except (Invalid, InvalidOperation):
        wrong = _("This has to be an amount, such as 10 or 2.50.")
        return one(kind, model_id, FormError(wrong, fields={"price_override_usd": wrong}), 422)

    def words(model: AdminModelOut) -> str:
        if model.price_override_usd is None:
            return _("%(name)s costs what the provider says.", name=model.name)
        return _(
            "%(name)s has a price of your own now: %(price)s.",
            name=model.name,
            price=price_words(model.price),
        )

    return _change(kind, model_id, price, words)


def _change(
    kind: str, model_id: str, change: ModelChangeIn, words: Callable[[AdminModelOut], str]
) -> ResponseReturnValue:
    of_kind = _kind(kind)
    return act(calls.change_model(model_id, of_kind, change), words, _page(of_kind, model_id))


def _page(kind: Kind, model_id: str) -> str:
    return url_for("admin_models.one", kind=kind, model_id=model_id)


def _kind(kind: str) -> Kind:
    if kind not in KINDS:
        abort(404)
    return cast("Kind", kind)
