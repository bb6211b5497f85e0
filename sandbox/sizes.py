"""Pixel sizes of pictures and videos, from the aspect ratios and the named sizes of the API."""

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
CHAT_TIERS = ("1K", "2K", "4K")
TIERS = {"0.5K": 0.5, "512": 0.5, "768": 0.75, "1K": 1.0, "1.5K": 1.5, "2K": 2.0, "4K": 4.0}
_VIDEO_SHORT_SIDE = {
    "360p": 360,
    "480p": 480,
    "720p": 720,
    "768p": 768,
    "1080p": 1080,
    "1K": 1024,
    "2K": 1440,
    "4K": 2160,
}


def shape(ratio: str) -> float:
    """Return width by height of `16:9`, `2.35:1` or `auto`."""
    if ratio == "auto":
        return 1.0
    wide, high = ratio.split(":")
    return float(wide) / float(high)


def image_size(ratio: str, tier: str) -> tuple[int, int]:
    """Return the pixels of a picture of about `tier` squared."""
    scale = TIERS[tier]
    if ratio in CHAT_RATIOS:
        width, height = CHAT_RATIOS[ratio]
        return round(width * scale), round(height * scale)
    root = shape(ratio) ** 0.5
    return max(64, round(1024 * scale * root / 8) * 8), max(64, round(1024 * scale / root / 8) * 8)


def video_size(resolution: str, ratio: str) -> tuple[int, int]:
    """Return the pixels of a video: its shorter side is the named resolution."""
    short, wide = _VIDEO_SHORT_SIDE[resolution], shape(ratio)
    return (_even(short * wide), short) if wide >= 1 else (short, _even(short / wide))


def _even(side: float) -> int:
    """Video encoders take no odd sides."""
    return max(2, int(side) // 2 * 2)
