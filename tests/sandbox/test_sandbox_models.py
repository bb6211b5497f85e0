"""The provider's own SDK reads the sandbox's data files as lists and records of the provider."""

import json
from pathlib import Path
from typing import Any

import pytest
from openrouter import components
from pydantic import BaseModel, ValidationError

import sandbox
from sandbox.models import MODELS, ModelLists

FOLDER = Path(str(sandbox.__file__)).parent
ROWS: dict[str, Any] = json.loads((FOLDER / "models.json").read_bytes())
SHAPES: dict[str, type[BaseModel]] = {
    "chat_models": components.Model,
    "image_models": components.ImageModelListItem,
    "image_endpoints": components.ImageModelEndpointsResponse,
    "video_models": components.VideoModel,
}
LISTED = [(kind, row) for kind in SHAPES for row in ROWS[kind]]


def known(shape: type[BaseModel], row: dict[str, Any]) -> None:
    """Check that the SDK reads the row with strict types and knows each of its fields."""
    read = shape.model_validate_json(json.dumps(row), strict=True)
    assert set(json.loads(read.model_dump_json(by_alias=True, exclude_unset=True))) == set(row)


@pytest.mark.parametrize(
    ("kind", "row"), LISTED, ids=[f"{kind} {row['id']}" for kind, row in LISTED]
)
def test_every_row_has_the_providers_shape(kind: str, row: dict[str, Any]) -> None:
    known(SHAPES[kind], row)


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("chat_models", {"context_length": "many"}),
        ("chat_models", {"colour": "red"}),
        ("image_models", {"supported_parameters": ["n"]}),
        ("image_endpoints", {"endpoints": [{"pricing": []}]}),
        ("video_models", {"supported_durations": ["8"]}),
    ],
)
def test_another_shape_is_noticed(kind: str, change: dict[str, Any]) -> None:
    with pytest.raises((AssertionError, ValidationError)):
        known(SHAPES[kind], ROWS[kind][0] | change)


def test_the_lists_are_answered_as_they_are_in_the_file() -> None:
    for kind in SHAPES:
        assert [row.listing() for row in getattr(MODELS, kind)] == ROWS[kind]


def test_ids_are_unique_and_every_image_model_has_its_prices() -> None:
    for kind in SHAPES:
        ids = [row["id"] for row in ROWS[kind]]
        assert len(ids) == len(set(ids))
    assert [row.id for row in MODELS.image_endpoints] == [row.id for row in MODELS.image_models]


def test_a_file_of_another_shape_is_refused() -> None:
    with pytest.raises(ValidationError):
        ModelLists.model_validate(ROWS | {"video_models": [{"id": "a/b"}]})
    with pytest.raises(ValidationError):
        ModelLists.model_validate(ROWS | {"audio_models": []})
