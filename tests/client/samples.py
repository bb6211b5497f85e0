"""Every call of the table, made with sample arguments."""

import dataclasses
import inspect
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from importlib import import_module
from itertools import count
from typing import Any, cast, get_args, get_origin, get_type_hints

from pydantic import BaseModel

from client.call import Call

MODULES = (
    "own_account",
    "admin_accounts",
    "batch",
    "bot_processes",
    "deliveries",
    "gallery",
    "joining",
    "links",
    "making",
    "places",
    "models",
    "admin_studio",
    "sound",
    "text",
)
"""All areas but the shell's, whose paths are for this machine only."""
NAMED = {
    "url": "/media/sample0?exp=1&sig=x",
    "signature": "exp=1&sig=x&download=true",
    "favourite": True,
    "questions": [Call("GET", "/users/me", dict)],
}
PLAIN: dict[Any, object] = {
    int: 1,
    float: 1.0,
    bool: True,
    bytes: b"",
    datetime: datetime(2026, 11, 30, tzinfo=UTC),
    Decimal: Decimal(1),
}
_NUMBERS = count(1)


def table() -> Iterator[tuple[str, Call[Any], Any]]:
    """Yield the name, the call with every argument given, and the answer's type in the function's
    signature."""
    for area in MODULES:
        # by its name: the table has calls that are named as their area
        module = import_module(f"client.calls.{area}")
        for name, function in vars(module).items():
            if not inspect.isfunction(function) or function.__module__ != module.__name__:
                continue
            hints = get_type_hints(function)
            promised = hints.pop("return")
            if get_origin(promised) is Call:
                yield name, _made(function, hints), get_args(promised)[0]


def _made(function: Callable[..., Call[Any]], hints: Mapping[str, Any]) -> Call[Any]:
    positional: list[object] = []
    named: dict[str, object] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            (fields,) = get_args(hints[name])
            named |= {key: _sample(key, kind) for key, kind in get_type_hints(fields).items()}
            continue
        value = _sample(name, hints[name])
        if parameter.kind is parameter.KEYWORD_ONLY:
            named[name] = value
        else:
            positional.append(value)
    return function(*positional, **named)


def _sample(name: str, kind: Any) -> object:
    origin, arguments = get_origin(kind), get_args(kind)
    if name in NAMED:
        return NAMED[name]
    if origin in {typing.Union, types.UnionType}:
        return _sample(name, next(one for one in arguments if one is not type(None)))
    if origin is typing.Literal:
        return arguments[0]
    if origin is not None:
        return {} if issubclass(origin, Mapping) else [_sample(name, arguments[0])]
    if dataclasses.is_dataclass(kind):
        hints = get_type_hints(kind)
        fields = [one.name for one in dataclasses.fields(kind)]
        return cast("Any", kind)(**{field: _sample(field, hints[field]) for field in fields})
    if issubclass(kind, BaseModel):
        return kind.model_construct()
    return f"sample{next(_NUMBERS)}" if kind is str else PLAIN[kind]
