"""Options in the text of a command, such as `a fox --ar 16:9 --n 2`, and the platform's own ones:
both become the api's fields."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

from bots.core import texts
from bots.core.language import translated
from client.schemas import Kind
from client.schemas.catalog import ModelOut

Value = str | int | bool
MODELS_LISTED = 8


class Mistake(Exception):
    """The typed text cannot be used; the message is the sentence to answer with."""


@dataclass(frozen=True, slots=True)
class Option:
    """`name` is the api's field, `flags` how people write it in text. `choices` are for menus;
    other values may be typed. `models`: it takes the name of a model of these kinds. `description`
    is English; show `described(language)`.
    """

    name: str
    description: str
    flags: tuple[str, ...]
    type: Literal["text", "number", "switch"] = "text"
    example: str = ""
    choices: tuple[str, ...] = ()
    least: int | None = None
    most: int | None = None
    pattern: str | None = None
    models: tuple[Kind, ...] = ()

    def described(self, language: str) -> str:
        return translated(self.description, language)


@dataclass(frozen=True, slots=True)
class Parsed:
    """The prompt without its options, and the options by the api's names."""

    prompt: str
    options: dict[str, Value]


_VALUE = re.compile(r'\s*(?:["“](?P<quoted>[^"”]*)["”]|(?P<word>\S+))')
_FLAG = re.compile(r"(?:^|(?<=\s))(?P<dash>--|—|–)(?P<name>[A-Za-z][A-Za-z_-]*)=?")
"""Also with the long dash that phones make out of two hyphens."""

_ON = {"true", "yes", "on", "1"}
_OFF = {"false", "no", "off", "0"}


def parse(
    text: str, native: Mapping[str, str], known: Sequence[Option], *, prose: bool = False
) -> Parsed:
    """Raises `Mistake`. A native option and the same one in the text: the text counts. `prose`:
    what looks like an option and is none belongs to the text, for people ask about `git rebase
    --onto`, too."""
    options = {
        option.name: _value(option, option.name, native[option.name])
        for option in known
        if option.name in native
    }
    typed: set[str] = set()
    prompt = []
    place = 0
    while match := _next_flag(text, place, known, prose):
        prompt.append(text[place : match.start()].strip())
        flag = match["name"].lower()
        option, off = _find(flag, known)
        place = match.end()
        if option.type == "switch":
            value: Value = not off
        else:
            said = _VALUE.match(text, place)
            if said is None or _FLAG.match(said[0].lstrip()):
                raise Mistake(texts.option_needs_value(flag, option.example))
            words = said["word"] if said["quoted"] is None else said["quoted"]
            value = _value(option, f"--{flag}", words)
            place = said.end()
        if option.name in typed:
            raise Mistake(texts.option_twice(flag))
        typed.add(option.name)
        options[option.name] = value
    prompt.append(text[place:].strip())
    return Parsed(" ".join(part for part in prompt if part), options)


def _next_flag(text: str, place: int, known: Sequence[Option], prose: bool) -> re.Match[str] | None:
    """The next option in the text. A long dash before a word is ordinary prose unless the word is
    an option."""
    names = {flag for option in known for flag in option.flags}
    for match in _FLAG.finditer(text, place):
        name = match["name"].lower().removeprefix("no-")
        if (match["dash"] == "--" and not prose) or name in names:
            return match
    return None


def _find(flag: str, known: Sequence[Option]) -> tuple[Option, bool]:
    """The option of that flag, and whether it is switched off by `--no-`."""
    by_flag = {name: option for option in known for name in option.flags}
    if flag in by_flag:
        return by_flag[flag], False
    plain = flag.removeprefix("no-")
    if plain != flag and plain in by_flag and by_flag[plain].type == "switch":
        return by_flag[plain], True
    near = get_close_matches(flag, list(by_flag), n=1)
    flags = [option.flags[0] for option in known]
    raise Mistake(texts.option_unknown(flag, flags, near[0] if near else None))


def _value(option: Option, flag: str, said: str) -> Value:
    convert: dict[str, Callable[[Option, str, str], Value]] = {
        "text": _text,
        "number": _number,
        "switch": _switch,
    }
    return convert[option.type](option, flag, said.strip())


def _text(option: Option, flag: str, said: str) -> str:
    if not said or (option.pattern is not None and re.fullmatch(option.pattern, said) is None):
        raise Mistake(texts.option_not_like(flag, said, option.example))
    return said


def _number(option: Option, flag: str, said: str) -> int:
    digits = said.removesuffix("s") if option.name == "duration" else said
    number = int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 15 else None
    if (
        number is None
        or (option.least is not None and number < option.least)
        or (option.most is not None and number > option.most)
    ):
        raise Mistake(texts.option_not_between(flag, said, option.least, option.most))
    return number


def _switch(option: Option, flag: str, said: str) -> bool:
    if said.lower() not in _ON | _OFF:
        raise Mistake(texts.option_not_on_or_off(flag, said))
    return said.lower() in _ON


def fitting_models(said: str, models: Sequence[ModelOut]) -> list[ModelOut]:
    """Those that have this id or name, otherwise those that have it as a part of them."""
    wanted = said.casefold()
    named = [(one, (one.id.casefold(), one.name.casefold())) for one in models]
    exact = [one for one, names in named if wanted in names]
    return exact or [one for one, names in named if any(wanted in name for name in names)]


def find_model(said: str, models: Sequence[ModelOut], elsewhere: Collection[str] = ()) -> str:
    """The id of the model that is meant: its id or name, or a part of them that fits one model
    only. `elsewhere`: ids of models that do other things, too; of several the one that does only
    this is meant. Raises `Mistake`."""
    fitting = fitting_models(said, models)
    if len(fitting) > 1:
        fitting = [one for one in fitting if one.id not in elsewhere] or fitting
    if len(fitting) == 1:
        return fitting[0].id
    names = [model.name for model in (fitting or models)[:MODELS_LISTED]]
    if fitting:
        raise Mistake(texts.model_ambiguous(said, names))
    raise Mistake(texts.model_not_found(said, names))
