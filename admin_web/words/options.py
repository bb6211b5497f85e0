"""The names of options on a form and in an error, and the hints below them."""

from admin_web.words.language import _
from client.words.language import N_

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
    "image_id": N_("Start image"),
    "last_image_id": N_("End image"),
    "input_images": N_("Input images"),
    "images": N_("Images"),
}
HINTS = {
    "seed": N_("The same number, the same result."),
    "negative_prompt": N_("What should not be seen."),
}


def label(name: str) -> str:
    """An option without a label is shown by its name."""
    return _(LABELS.get(name, name))
