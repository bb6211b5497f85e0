"""The options of a model as form fields, and the filled fields as values for the api."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from admin_web.words.language import _
from admin_web.words.options import HINTS, label
from client.schemas.catalog import ModelOut
from client.schemas.provider import OPTIONS, OptionSpec

FieldKind = Literal["choice", "pills", "number", "text", "switch"]
PILLS_MAX = 11
UNITS = {"duration": " s"}


@dataclass(frozen=True, slots=True)
class OptionField:
    """One field. `choices` are (value, label); the first, empty value lets the model decide.
    `least` and `most` are the bounds of a number; `most` is the length of a text."""

    name: str
    label: str
    kind: FieldKind
    value: str
    choices: tuple[tuple[str, str], ...]
    hint: str
    least: int
    most: int

    @property
    def is_rare(self) -> bool:
        """Shown on demand, unless it holds something."""
        return self.kind in {"number", "text"} or self.name == "size"


def option_fields(model: ModelOut, values: Mapping[str, str]) -> list[OptionField]:
    """Return the options that this model takes, with the given values where they still fit."""
    return [
        _field(spec, model, values.get(spec.name, ""))
        for spec in OPTIONS.values()
        if model.kind in spec.kinds and _is_offered(spec, model)
    ]


def _is_offered(spec: OptionSpec, model: ModelOut) -> bool:
    """A number that a model offers up to 1 leaves nothing to choose."""
    offered = getattr(model.capabilities, spec.offered) if spec.offered else True
    return bool(offered) and not (spec.name == "n" and offered == 1)


def _field(spec: OptionSpec, model: ModelOut, value: str) -> OptionField:
    offered = getattr(model.capabilities, spec.offered) if spec.offered else True
    kind: FieldKind = spec.type
    choices: tuple[tuple[str, str], ...] = ()
    if isinstance(offered, tuple):
        words = [str(one) for one in offered]
        kind = "pills" if len(words) <= PILLS_MAX and spec.name != "size" else "choice"
        unit = UNITS.get(spec.name, "")
        choices = (("", _("Automatic")), *((one, f"{one}{unit}") for one in words))
        value = value if value in words else ""
    elif spec.name == "n":
        kind, value = "pills", value or "1"
        counts = range(spec.least, min(offered, spec.most) + 1)
        choices = tuple((str(count), str(count)) for count in counts)
    hint = _(HINTS[spec.name]) if spec.name in HINTS else ""
    return OptionField(
        spec.name, label(spec.name), kind, value, choices, hint, spec.least, spec.most
    )


def option_values(model: ModelOut, form: Mapping[str, str]) -> dict[str, object]:
    """Return the values of a filled form, for the api. A field left over from another model is left
    out; a switch that is off is sent as off."""
    values: dict[str, object] = {}
    for field in option_fields(model, form):
        if field.kind == "switch":
            values[field.name] = form.get(field.name) == "on"
        elif field.value.strip():
            values[field.name] = field.value.strip()
    return values


def shape(ratio: str) -> tuple[float, float, float, float] | None:
    """Return x, y, width and height of a frame of this ratio in a square of 20; None for no
    ratio."""
    across, _colon, down = ratio.partition(":")
    try:
        wide, high = float(across), float(down)
    except ValueError:
        return None
    if wide <= 0 or high <= 0:
        return None
    scale = 16 / max(wide, high)
    return (20 - wide * scale) / 2, (20 - high * scale) / 2, wide * scale, high * scale


def grouped(models: Sequence[ModelOut]) -> list[tuple[str, list[tuple[ModelOut, str]]]]:
    """Group models by maker, in the order of the list: `Black Forest Labs: FLUX.2` is FLUX.2 of
    Black Forest Labs."""
    groups: dict[str, list[tuple[ModelOut, str]]] = {}
    for model in models:
        maker, colon, name = model.name.partition(": ")
        groups.setdefault(maker if colon else "", []).append((model, name if colon else model.name))
    return list(groups.items())
