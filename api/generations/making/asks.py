"""The provider's requests for a generation."""

from collections.abc import Sequence
from dataclasses import dataclass

from api.generations.store import Generation
from api.provider.types import ImageAsk, ImageInput, ImageRoute, ModelInfo, VideoAsk


@dataclass(frozen=True, slots=True)
class Callbacks:
    """The address at which the provider reports finished videos."""

    base_url: str

    def url(self, row: Generation) -> str:
        return f"{self.base_url}/webhooks/openrouter/{row.callback_token}"


def image_ask(
    row: Generation, inputs: Sequence[ImageInput], model: ModelInfo, route: ImageRoute
) -> ImageAsk:
    options = row.options
    return ImageAsk(
        model=row.model,
        route=route,
        prompt=row.prompt,
        n=pictures_asked(row),
        size=_text(options.get("size")),
        aspect_ratio=_text(options.get("aspect_ratio")),
        image_size=_text(options.get("image_size")),
        quality=_text(options.get("quality")),
        avoid=_text(options.get("negative_prompt")),
        seed=_int(options.get("seed")),
        inputs=tuple(inputs),
        modalities=model.modalities or ("image",),
        user=row.user_id,
    )


def video_ask(row: Generation, inputs: Sequence[ImageInput], callback_url: str | None) -> VideoAsk:
    frames = {item.frame: image for item, image in zip(row.inputs, inputs, strict=True)}
    options = row.options
    audio = options.get("generate_audio")
    return VideoAsk(
        model=row.model,
        prompt=row.prompt,
        duration=_int(options.get("duration")),
        resolution=_text(options.get("resolution")),
        aspect_ratio=_text(options.get("aspect_ratio")),
        generate_audio=audio if isinstance(audio, bool) else None,
        seed=_int(options.get("seed")),
        first_frame=frames.get("first_frame"),
        last_frame=frames.get("last_frame"),
        callback_url=callback_url,
        user=row.user_id,
    )


def pictures_asked(row: Generation) -> int:
    return _int(row.options.get("n")) or 1


def _int(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
