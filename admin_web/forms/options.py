"""The options of a model as form fields, by what the model can do, and back as values for the
api."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from admin_web.words.language import N_, _, dollars
from client.schemas.catalog import ModelOut, Per, PriceOut

FieldKind = Literal["choice", "pills", "number", "text", "switch"]
SEED_MAX = 2**31 - 1
PILLS_MAX = 11
LABELS = {
    "aspect_ratio": N_("Aspect ratio"),
    "size": N_("Size in pixels"),
    "image_size": N_("Resolution"),
    "quality": N_("Quality"),
    "resolution": N_("Resolution"),
    "duration": N_("Length"),
    "n": N_("How many"),
    "generate_audio": N_("With sound"),
    "seed": N_("Seed"),
    "negative_prompt": N_("Leave out"),
}
_EACH: dict[Per, str] = {
    "image": N_("%(usd)s an image"),
    "second": N_("%(usd)s a second"),
    "video": N_("%(usd)s a video"),
    "answer": N_("%(usd)s an answer"),
}


@dataclass(frozen=True, slots=True)
class OptionField:
    """One field. `choices` are (value, label); the first, empty value lets the model decide."""

    name: str
    label: str
    kind: FieldKind
    value: str = ""
    choices: tuple[tuple[str, str], ...] = ()
    help: str = ""
    maximum: int = SEED_MAX

    @property
    def is_rare(self) -> bool:
        """Shown on demand, unless it holds something."""
        return self.kind in {"number", "text"} or self.name == "size"


def option_fields(model: ModelOut, values: Mapping[str, str]) -> list[OptionField]:
    """Only what this model takes, holding the given values where they still fit."""
    can = model.capabilities
    fields = [
        _choice("aspect_ratio", can.aspect_ratios, values),
        _choice("size", can.sizes, values),
        _choice("image_size", can.image_sizes, values),
        _choice("quality", can.qualities, values),
        _choice("resolution", can.resolutions, values),
        _choice("duration", tuple(str(seconds) for seconds in can.durations), values, unit=" s"),
    ]
    found = [field for field in fields if field is not None]
    if model.kind == "image" and can.max_n > 1:
        counts = tuple((str(n), str(n)) for n in range(1, min(can.max_n, 10) + 1))
        found.append(OptionField("n", _label("n"), "pills", values.get("n") or "1", counts))
    if can.generate_audio:
        found.append(
            OptionField(
                "generate_audio",
                _label("generate_audio"),
                "switch",
                values.get("generate_audio", ""),
            )
        )
    if can.seed:
        found.append(
            OptionField(
                "seed",
                _label("seed"),
                "number",
                values.get("seed", ""),
                help=_("The same number, the same result."),
            )
        )
    if model.kind == "image":
        unwanted = values.get("negative_prompt", "")
        found.append(
            OptionField(
                "negative_prompt",
                _label("negative_prompt"),
                "text",
                unwanted,
                help=_("What should not be seen."),
            )
        )
    return found


def option_values(model: ModelOut, form: Mapping[str, str]) -> dict[str, object]:
    """What the form says, for the api. A field left over from another model is left out; a switch
    that is off says so."""
    values: dict[str, object] = {}
    for field in option_fields(model, form):
        if field.kind == "switch":
            values[field.name] = form.get(field.name) == "on"
        elif field.value.strip():
            values[field.name] = field.value.strip()
    return values


def _choice(
    name: str, offered: tuple[str, ...], values: Mapping[str, str], unit: str = ""
) -> OptionField | None:
    if not offered:
        return None
    value = values.get(name, "")
    choices = (("", _("Automatic")), *((item, f"{item}{unit}") for item in offered))
    kind: FieldKind = "pills" if len(offered) <= PILLS_MAX and name != "size" else "choice"
    return OptionField(name, _label(name), kind, value if value in offered else "", choices)


def _label(name: str) -> str:
    return _(LABELS[name])


def price_words(price: PriceOut) -> str:
    """`about $0.04 an image`."""
    if price.usd is None or price.per is None:
        return _("price not known")
    if not price.usd and not price.output_usd:
        return _("free")
    if price.output_usd is not None:
        return _(
            "%(read)s in, %(written)s out per million tokens",
            read=dollars(price.usd),
            written=dollars(price.output_usd),
        )
    one = _(_EACH[price.per], usd=dollars(price.usd))
    if price.is_least:
        return _("from %(price)s", price=one)
    return _("about %(price)s", price=one) if price.is_about else one


def shape(ratio: str) -> tuple[float, float, float, float] | None:
    """x, y, width, height of a frame of this ratio in a square of 20; None for what is no ratio."""
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
    """By maker, in the order of the list: `Black Forest Labs: FLUX.2` is FLUX.2 of Black Forest
    Labs."""
    groups: dict[str, list[tuple[ModelOut, str]]] = {}
    for model in models:
        maker, colon, name = model.name.partition(": ")
        groups.setdefault(maker if colon else "", []).append((model, name if colon else model.name))
    return list(groups.items())
