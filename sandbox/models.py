"""What the sandbox offers, as data in the provider's own shapes, and what each call costs there.
Prices are USD."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

CREATED = 1_760_000_000
CHAT_RATIOS = {
    "1:1": (1024, 1024),
    "2:3": (832, 1248),
    "3:2": (1248, 832),
    "3:4": (864, 1184),
    "4:3": (1184, 864),
    "4:5": (896, 1152),
    "5:4": (1152, 896),
    "9:16": (768, 1344),
    "16:9": (1344, 768),
    "21:9": (1536, 672),
}
TIERS = {"0.5K": 0.5, "512": 0.5, "768": 0.75, "1K": 1.0, "1.5K": 1.5, "2K": 2.0, "4K": 4.0}
MEGAPIXEL = 1024 * 1024
IMAGE_TOKENS = 1_120
"""For a megapixel."""
CHAT_TIERS = ("1K", "2K", "4K")
VIDEO_SHORT_SIDE = {
    "360p": 360,
    "480p": 480,
    "720p": 720,
    "768p": 768,
    "1080p": 1080,
    "1K": 1024,
    "2K": 1440,
    "4K": 2160,
}
_CHAT_PARAMETERS = [
    "max_tokens",
    "max_completion_tokens",
    "temperature",
    "top_p",
    "seed",
    "stop",
    "stream",
    "response_format",
]


@dataclass(frozen=True, slots=True)
class ChatModel:
    """A row of `GET /models`; `pricing` per unit as decimal strings."""

    id: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    pricing: dict[str, str]
    context: int
    max_output: int
    description: str

    def listing(self) -> dict[str, Any]:
        modality = f"{'+'.join(self.inputs)}->{'+'.join(self.outputs)}"
        return {
            "id": self.id,
            "canonical_slug": self.id.removesuffix(":free"),
            "name": self.name,
            "created": CREATED,
            "description": self.description,
            "context_length": self.context,
            "architecture": {
                "modality": modality,
                "input_modalities": list(self.inputs),
                "output_modalities": list(self.outputs),
                "tokenizer": "Other",
                "instruct_type": None,
            },
            "pricing": self.pricing,
            "top_provider": {
                "context_length": self.context,
                "max_completion_tokens": self.max_output,
                "is_moderated": False,
            },
            "per_request_limits": None,
            "supported_parameters": _CHAT_PARAMETERS,
            "default_parameters": None,
            "supported_voices": None,
            "links": {"details": f"/api/v1/models/{self.id}/endpoints"},
        }

    def price(self, key: str) -> Decimal:
        return Decimal(self.pricing.get(key, "0"))


@dataclass(frozen=True, slots=True)
class ImageModel:
    """A row of `GET /images/models`; `parameters` in the provider's descriptor shapes."""

    id: str
    name: str
    parameters: dict[str, dict[str, Any]]
    pricing: tuple[dict[str, Any], ...]
    description: str

    def listing(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "name": self.name,
            "description": self.description,
            "created": CREATED,
            "architecture": {"input_modalities": ["text", "image"], "output_modalities": ["image"]},
            "supported_parameters": self.parameters,
            "supports_streaming": False,
            "endpoints": f"/api/v1/images/models/{self.id}/endpoints",
        }

    def endpoints(self) -> dict[str, Any]:
        author = self.id.split("/", maxsplit=1)[0]
        endpoint = {
            "provider_name": author.title(),
            "provider_slug": author,
            "provider_tag": None,
            "supported_parameters": self.parameters,
            "allowed_passthrough_parameters": [],
            "supports_streaming": False,
            "pricing": list(self.pricing),
        }
        return {"id": self.id, "endpoints": [endpoint]}

    def cost(self, images: int, size: tuple[int, int], prompt_tokens: int, inputs: int) -> Decimal:
        megapixels = -(-size[0] * size[1] // MEGAPIXEL)
        of_image = {
            "image": 1,
            "megapixel": megapixels,
            "token": IMAGE_TOKENS * megapixels,
            "first": 1,
            "further": megapixels - 1,
        }
        units = {"input_text": prompt_tokens, "input_image": inputs, "input_reference": inputs}

        def count(line: dict[str, Any]) -> int:
            return (
                units[line["billable"]]
                if line["billable"] in units
                else images * of_image[line.get("variant", line["unit"])]
            )

        return sum(
            (Decimal(str(line["cost_usd"])) * count(line) for line in self.pricing), Decimal(0)
        )


@dataclass(frozen=True, slots=True)
class VideoModel:
    """A row of `GET /videos/models`. The first duration and resolution are the defaults."""

    id: str
    name: str
    durations: tuple[int, ...]
    resolutions: tuple[str, ...]
    ratios: tuple[str, ...]
    frames: tuple[str, ...]
    audio: bool
    skus: dict[str, str]
    description: str

    def listing(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "canonical_slug": self.id,
            "name": self.name,
            "created": CREATED,
            "description": self.description,
            "supported_resolutions": list(self.resolutions),
            "supported_aspect_ratios": list(self.ratios),
            "supported_sizes": None,
            "supported_durations": list(self.durations),
            "supported_frame_images": list(self.frames),
            "generate_audio": self.audio,
            "seed": True,
            "upscale_factor": None,
            "creativity": None,
            "allowed_passthrough_parameters": [],
            "pricing_skus": self.skus,
        }

    def cost(self, seconds: int, resolution: str, audio: bool, size: tuple[int, int]) -> Decimal:
        sound = "with_audio" if audio else "without_audio"
        if "video_tokens" in self.skus:
            tokens = size[0] * size[1] * (24 * seconds + 1) // 1024
            return (
                Decimal(self.skus.get(f"video_tokens_{sound}", self.skus["video_tokens"])) * tokens
            )
        if "cents_per_second_output" in self.skus:
            cents = Decimal(self.skus["cents_per_second_output"]) * seconds
            return max(cents, Decimal(self.skus["minimum_cents_per_generation"])) / 100
        for key in (
            f"duration_seconds_{sound}_{resolution}",
            f"duration_seconds_{sound}",
            f"duration_seconds_{resolution}",
            "duration_seconds",
        ):
            if key in self.skus:
                return Decimal(self.skus[key]) * seconds
        raise LookupError(f"{self.id} has no price for {resolution}, {sound}")


CHAT_MODELS = (
    ChatModel(
        "openai/gpt-5-mini",
        "OpenAI: GPT-5 Mini",
        ("text", "image"),
        ("text",),
        {"prompt": "0.00000025", "completion": "0.000002"},
        400_000,
        128_000,
        "A quick, capable all-rounder.",
    ),
    ChatModel(
        "anthropic/claude-haiku-4.5",
        "Anthropic: Claude Haiku 4.5",
        ("text", "image"),
        ("text",),
        {"prompt": "0.000001", "completion": "0.000005"},
        200_000,
        64_000,
        "Fast and careful with words.",
    ),
    ChatModel(
        "google/gemini-2.5-flash",
        "Google: Gemini 2.5 Flash",
        ("text", "image"),
        ("text",),
        {"prompt": "0.0000003", "completion": "0.0000025", "image": "0.001238"},
        1_048_576,
        65_535,
        "Looks at pictures, too.",
    ),
    ChatModel(
        "meta-llama/llama-3.3-70b-instruct:free",
        "Meta: Llama 3.3 70B Instruct (free)",
        ("text",),
        ("text",),
        {"prompt": "0", "completion": "0"},
        131_072,
        4_096,
        "Costs nothing.",
    ),
    ChatModel(
        "black-forest-labs/flux.2-klein-4b",
        "Black Forest Labs: FLUX.2 Klein 4B",
        ("text", "image"),
        ("image",),
        {"prompt": "0", "completion": "0", "image_output": "0.014"},
        40_960,
        40_960,
        "Small, fast image model.",
    ),
    ChatModel(
        "openai/gpt-5-image-mini",
        "OpenAI: GPT-5 Image Mini",
        ("text", "image"),
        ("image", "text"),
        {"prompt": "0.0000025", "completion": "0.000002", "image_output": "0.008"},
        400_000,
        128_000,
        "Writes and draws.",
    ),
    ChatModel(
        "bytedance-seed/seedream-4.5",
        "ByteDance Seed: Seedream 4.5",
        ("text", "image"),
        ("image",),
        {"prompt": "0", "completion": "0", "image_output": "0.04"},
        4_096,
        4_096,
        "Rich pictures up to 4K.",
    ),
)

_RATIOS = {"type": "enum", "values": ["1:1", "2:3", "3:2", "3:4", "4:3", "9:16", "16:9", "21:9"]}
_SEED = {"type": "range", "min": 0, "max": 2_147_483_647}

IMAGE_MODELS = (
    ImageModel(
        "bytedance-seed/seedream-4.5",
        "ByteDance Seed: Seedream 4.5",
        {
            "n": {"type": "range", "min": 1, "max": 6},
            "resolution": {"type": "enum", "values": ["1K", "2K", "4K"]},
            "aspect_ratio": _RATIOS,
            "input_references": {"type": "range", "min": 0, "max": 10},
            "seed": _SEED,
            "output_format": {"type": "enum", "values": ["png", "jpeg"]},
        },
        ({"billable": "output_image", "unit": "image", "cost_usd": 0.04},),
        "Rich pictures up to 4K.",
    ),
    ImageModel(
        "openai/gpt-image-2",
        "OpenAI: GPT Image 2",
        {
            "n": {"type": "range", "min": 1, "max": 10},
            "size": {"type": "enum", "values": ["1024x1024", "1536x1024", "1024x1536", "1536x864"]},
            "quality": {"type": "enum", "values": ["auto", "low", "medium", "high"]},
            "background": {"type": "enum", "values": ["auto", "transparent", "opaque"]},
            "output_format": {"type": "enum", "values": ["png", "jpeg", "webp"]},
            "output_compression": {"type": "range", "min": 0, "max": 100},
            "input_references": {"type": "range", "min": 0, "max": 16},
        },
        (
            {"billable": "output_image", "unit": "image", "cost_usd": 0.05},
            {"billable": "input_text", "unit": "token", "cost_usd": 0.000005},
        ),
        "Follows long instructions, writes legible words into pictures.",
    ),
    ImageModel(
        "black-forest-labs/flux.2-pro",
        "Black Forest Labs: FLUX.2 Pro",
        {
            "resolution": {"type": "enum", "values": ["1K", "2K"]},
            "aspect_ratio": _RATIOS,
            "input_references": {"type": "range", "min": 0, "max": 8},
            "seed": _SEED,
        },
        (
            {"billable": "output_image", "unit": "megapixel", "cost_usd": 0.03, "variant": "first"},
            {
                "billable": "output_image",
                "unit": "megapixel",
                "cost_usd": 0.015,
                "variant": "further",
            },
            {"billable": "input_reference", "unit": "image", "cost_usd": 0.015},
        ),
        "Priced by the megapixel.",
    ),
    ImageModel(
        "google/gemini-3.1-flash-image",
        "Google: Gemini 3.1 Flash Image",
        {
            "resolution": {"type": "enum", "values": ["1K", "2K"]},
            "aspect_ratio": _RATIOS,
            "input_references": {"type": "range", "min": 0, "max": 14},
        },
        (
            {"billable": "output_image", "unit": "token", "cost_usd": 0.00006},
            {"billable": "input_text", "unit": "token", "cost_usd": 0.0000005},
        ),
        "Priced by the token of its pictures.",
    ),
)

GENERATIONS_MODEL = "openai/dall-e-3"
"""In no list; only `POST /images/generations` takes it."""
GENERATIONS_SIZES = {
    "1024x1024": Decimal("0.04"),
    "1792x1024": Decimal("0.08"),
    "1024x1792": Decimal("0.08"),
}

_VEO = ("16:9", "9:16")
_SOUND, _SILENT = True, False
_BOTH_FRAMES = ("first_frame", "last_frame")

VIDEO_MODELS = (
    VideoModel(
        "google/veo-3.1-fast", "Google: Veo 3.1 "
                               "Fast", (8, 4, 6), ("720p", "1080p"), _VEO, _BOTH_FRAMES, _SOUND,
        {
            "duration_seconds_with_audio_720p": "0.10", "duration_seconds_with_audio_1080p": "0.12",
            "duration_seconds_without_audio_720p": "0.08",
            "duration_seconds_without_audio_1080p": "0.10",
        },
        "Quick, with sound.",
    ),
    VideoModel(
        "google/veo-3.1-lite", "Google: Veo 3.1 "
                               "Lite", (8, 4, 6), ("720p", "1080p"), _VEO, _BOTH_FRAMES, _SOUND,
        {
            "duration_seconds_with_audio_720p": "0.05",
            "duration_seconds_with_audio_1080p": "0.08",
            "duration_seconds_without_audio_720p": "0.03",
            "duration_seconds_without_audio_1080p": "0.05",
        },
        "The least expensive with sound.",
    ),
    VideoModel(
        "alibaba/wan-2.6",
        "Alibaba: Wan "
                           "2.6", (5, 10), ("720p", "1080p"), ("16:9", "9:16", "1:1"),
                           ("first_frame",), _SILENT,
        {"duration_seconds_720p": "0.04", "duration_seconds_1080p": "0.08"}, "Silent and "
                                                                             "low-priced.",
    ),
    VideoModel(
        "kwaivgi/kling-v3.0-std",
        "Kling: v3.0 "
                                  "Standard", (5, 3, 8, 10), ("720p",), ("16:9", "9:16", "1:1"),
                                  _BOTH_FRAMES, _SOUND,
        {"duration_seconds_without_audio": "0.084", "duration_seconds_with_audio": "0.126"},
        "Steady motion.",
    ),
    VideoModel(
        "bytedance/seedance-2.0-fast",
        "ByteDance: Seedance 2.0 "
                                       "Fast", tuple(range(4, 16)), ("480p",
                                       "720p"),
        ("1:1", "3:4", "9:16", "4:3", "16:9", "21:9", "9:21"), ("first_frame",),
        _SOUND,
        {
            "video_tokens": "0.0000056", "video_tokens_without_audio": "0.0000028",
            "video_tokens_with_video_input": "0.0000033",
        },
        "Priced by video token.",
    ),
    VideoModel(
        "minimax/hailuo-3", "MiniMax: Hailuo "
                            "3", (6, 10), ("768p",), ("16:9", "9:16"), ("first_frame",), _SILENT,
        {"cents_per_second_output": "5", "minimum_cents_per_generation": "25"}, "Priced in cents, "
                                                                                "with "
                                                                                "a "
                                                                                "least "
                                                                                "price.",
    ),
)  # fmt: skip


def find_chat(model: str) -> ChatModel | None:
    return next((entry for entry in CHAT_MODELS if entry.id == model), None)


def find_image(model: str) -> ImageModel | None:
    return next((entry for entry in IMAGE_MODELS if entry.id == model), None)


def find_video(model: str) -> VideoModel | None:
    return next((entry for entry in VIDEO_MODELS if entry.id == model), None)


def even(value: float) -> int:
    """Encoders want even sides."""
    return max(2, int(value) // 2 * 2)


def video_size(resolution: str, ratio: str) -> tuple[int, int]:
    """Pixels of a video: the named resolution is its shorter side."""
    wide, high = (int(side) for side in ratio.split(":"))
    short = VIDEO_SHORT_SIDE[resolution]
    if wide >= high:
        return even(short * wide / high), even(short)
    return even(short), even(short * high / wide)


def image_size(ratio: str, tier: str) -> tuple[int, int]:
    """Pixels of a picture of about `tier` squared, in `ratio` (`16:9`, `2.35:1`, `auto`)."""
    scale = TIERS[tier]
    if ratio in CHAT_RATIOS:
        width, height = CHAT_RATIOS[ratio]
        return round(width * scale), round(height * scale)
    wide, high = (1.0, 1.0) if ratio == "auto" else (float(side) for side in ratio.split(":"))
    root = float((wide / high) ** 0.5)
    return max(64, round(1024 * scale * root / 8) * 8), max(64, round(1024 * scale / root / 8) * 8)


def list_order(
    entries: tuple[ChatModel, ...], outputs: frozenset[str] | None
) -> list[dict[str, Any]]:
    """`GET /models`: those that make at least one of `outputs`; None takes all."""
    return [entry.listing() for entry in entries if outputs is None or outputs & set(entry.outputs)]
