"""The options of images and videos: one list, and everything that names them agrees with it."""

from typing import Any, get_args

import pytest
from pydantic import BaseModel, ValidationError

from admin_web.forms.options import option_fields
from admin_web.words.options import LABELS
from api.catalog.schemas import ModelOut, PriceOut
from api.generations.schemas import Changes, EstimateIn, ImageIn, VideoIn
from api.provider.schemas import OPTIONS, Capabilities, OptionSpec
from api.schemas import MediaKind
from bots.core import texts
from bots.core.commands.image_video import OPTIONS as TYPED

SPECS = list(OPTIONS.values())
BESIDE_OPTIONS = {"prompt", "model", "input_images", "address", "confirm"}
REQUESTS: list[tuple[type[BaseModel], str, dict[str, Any]]] = [
    (ImageIn, "image", {"prompt": "a fox"}),
    (VideoIn, "video", {"prompt": "waves"}),
    (Changes, "image", {}),
    (Changes, "video", {}),
    (EstimateIn, "image", {"kind": "image"}),
    (EstimateIn, "video", {"kind": "video"}),
]


def names(kind: str) -> list[str]:
    return [spec.name for spec in SPECS if kind in spec.kinds]


@pytest.mark.parametrize(("schema", "kind"), [(ImageIn, "image"), (VideoIn, "video")])
def test_a_request_has_every_option_of_its_kind_and_no_other(
    schema: type[BaseModel], kind: str
) -> None:
    assert set(schema.model_fields) - BESIDE_OPTIONS == set(names(kind))


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_every_request_keeps_the_bounds(spec: OptionSpec) -> None:
    good: list[object]
    bad: list[object]
    if spec.type == "number":
        good, bad = [spec.least, spec.most], [spec.least - 1, spec.most + 1]
    elif spec.type == "text":
        good, bad = ["x" * spec.most], ["x" * (spec.most + 1)]
    else:
        good, bad = [True, False], []
    for schema, kind, base in REQUESTS:
        if kind not in spec.kinds:
            continue
        for value in good:
            schema.model_validate({**base, spec.name: value})
        for value in bad:
            with pytest.raises(ValidationError):
                schema.model_validate({**base, spec.name: value})


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_chats_know_every_option_with_its_bounds(spec: OptionSpec) -> None:
    for kind in spec.kinds:
        typed = next(option for option in TYPED[kind] if option.name == spec.name)
        assert typed.type == spec.type
        if spec.type == "number":
            assert (typed.least, typed.most) == (spec.least, spec.most)
        assert texts.OPTIONS[spec.name].removeprefix("--") in typed.flags


def test_a_form_shows_every_option_with_its_bounds() -> None:
    able = Capabilities.model_validate(
        {spec.offered: _able(spec.offered) for spec in SPECS if spec.offered}
    )
    price = PriceOut(items=[], summary="")
    for kind in get_args(MediaKind):
        model = ModelOut(
            id="m/m", name="M", kind=kind, capabilities=able, price=price, default=True
        )
        shown = option_fields(model, {})
        assert [field.name for field in shown] == names(kind)
        for field in shown:
            spec = OPTIONS[field.name]
            assert (field.least, field.most) == (spec.least, spec.most)
            if field.name == "n":
                assert [value for value, _ in field.choices] == [str(n) for n in range(1, 11)]


def _able(name: str) -> object:
    """Return a capability that allows the option: more than any bound."""
    default = Capabilities.model_fields[name].default
    if isinstance(default, bool):
        return True
    return 50 if isinstance(default, int) else (1, 2) if name == "durations" else ("1", "2")


def test_every_option_has_a_label() -> None:
    assert set(OPTIONS) <= set(LABELS)
