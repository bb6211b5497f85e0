"""Calls about models: those that one may use, and the admins' list."""

from typing import Unpack

from client.call import LOOKING, Call, Paging, path, query
from client.schemas import Kind, Page
from client.schemas.catalog import (
    AdminModelOut,
    ModelChangeIn,
    ModelOut,
    NewModelIn,
    RefreshedOut,
)


def models(
    kind: Kind | None = None, cursor: str | None = None, limit: int | None = None
) -> Call[Page[ModelOut]]:
    """Those that the person may use, the default first."""
    asked = query(kind=kind, cursor=cursor, limit=limit)
    return Call("GET", "/models", Page[ModelOut], query=asked)


class AllModels(Paging, total=False):
    kind: str | None
    q: str | None


def all_models(**asked: Unpack[AllModels]) -> Call[Page[AdminModelOut]]:
    return Call("GET", "/admin/models", Page[AdminModelOut], query=query(**asked))


def any_model(model_id: str, kind: Kind) -> Call[AdminModelOut]:
    return Call("GET", _path(model_id), AdminModelOut, query=query(kind=kind))


def change_model(model_id: str, kind: Kind, change: ModelChangeIn) -> Call[AdminModelOut]:
    return Call("PUT", _path(model_id), AdminModelOut, query=query(kind=kind), body=change)


def add_model(model: NewModelIn) -> Call[AdminModelOut]:
    return Call("POST", "/admin/models", AdminModelOut, body=model)


def refresh_models() -> Call[RefreshedOut]:
    return Call("POST", "/admin/models/refresh", RefreshedOut, within=LOOKING)


def _path(model_id: str) -> str:
    """A model's id has a slash of its own."""
    parts = model_id.split("/")
    return path("/admin/models" + "/{}" * len(parts), *parts)
