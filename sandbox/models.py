"""The models that the sandbox offers: the provider's own list rows, read from `models.json`."""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class _Shape(BaseModel):
    """A part of a row. Only fields that the sandbox reads are declared; the others stay as they
    are in the file."""

    model_config = ConfigDict(extra="allow", frozen=True)


class _Row(_Shape):
    id: str

    def listing(self) -> dict[str, Any]:
        return self.model_dump(mode="json", exclude_unset=True)


class Modalities(_Shape):
    input_modalities: list[str]
    output_modalities: list[str]


class ChatModel(_Row):
    """A row of `GET /models`; `pricing` in dollars a unit, as decimal strings."""

    architecture: Modalities
    pricing: dict[str, str]
    supported_voices: list[str] | None = None
    supported_parameters: list[str] = Field(default_factory=list)
    reasoning: dict[str, Any] | None = None

    @property
    def speaks_pcm_only(self) -> bool:
        return self.id.startswith("google/")


class ImageModel(_Row):
    """A row of `GET /images/models`; `supported_parameters` in the provider's descriptor shapes."""

    supported_parameters: dict[str, dict[str, Any]]

    def most(self, parameter: str, otherwise: int) -> int:
        """Return the upper bound of a range parameter."""
        bound: int = self.supported_parameters.get(parameter, {"max": otherwise})["max"]
        return bound

    def choices(self, parameter: str) -> list[str] | None:
        values: list[str] | None = self.supported_parameters.get(parameter, {}).get("values")
        return values


class ImagePrice(_Shape):
    """A line of an image price; `variant` tells the first megapixel from the further ones."""

    billable: Literal["output_image", "input_text", "input_image", "input_reference"]
    unit: Literal["image", "megapixel", "token"]
    cost_usd: float
    variant: Literal["first", "further"] | None = None


class ImageEndpoint(_Shape):
    pricing: list[ImagePrice]


class ImageEndpoints(_Row):
    """The answer of `GET /images/models/{author}/{slug}/endpoints`."""

    endpoints: list[ImageEndpoint]


class VideoModel(_Row):
    """A row of `GET /videos/models`. The first duration and resolution are the defaults."""

    supported_durations: list[int]
    supported_resolutions: list[str]
    supported_aspect_ratios: list[str]
    supported_frame_images: list[str]
    generate_audio: bool
    pricing_skus: dict[str, str]


class ModelLists(BaseModel):
    """The content of `models.json`, a list for each route.

    `unlisted_images`: dollars by size, of models that only `POST /images/generations` takes.
    """

    model_config = ConfigDict(extra="forbid")

    chat_models: list[ChatModel]
    image_models: list[ImageModel]
    image_endpoints: list[ImageEndpoints]
    video_models: list[VideoModel]
    unlisted_images: dict[str, dict[str, str]]

    def chat(self, model: str) -> ChatModel | None:
        return next((row for row in self.chat_models if row.id == model), None)

    def image(self, model: str) -> ImageModel | None:
        return next((row for row in self.image_models if row.id == model), None)

    def endpoints(self, model: str) -> ImageEndpoints | None:
        return next((row for row in self.image_endpoints if row.id == model), None)

    def video(self, model: str) -> VideoModel | None:
        return next((row for row in self.video_models if row.id == model), None)


MODELS = ModelLists.model_validate_json(Path(__file__).with_name("models.json").read_bytes())
