"""Where a job stands, in words for whoever runs the studio. Templates of admins have this module as `words`."""

from dataclasses import dataclass

from admin_web.language import N_, _
from api.catalog.schemas import AdminModelOut
from api.generations.schemas import AdminGenerationOut
from api.users.schemas import Role

STATUSES = {
    "queued": N_("In line"),
    "processing": N_("Being made"),
    "review": N_("Needs a decision"),
    "completed": N_("Ready"),
    "failed": N_("Failed"),
    "cancelled": N_("Cancelled"),
}
KINDS = {"image": N_("Image"), "video": N_("Video"), "text": N_("Text")}
MODES = {
    "text_to_image": N_("Image from words"),
    "image_to_image": N_("Image from an image"),
    "text_to_video": N_("Video from words"),
    "image_to_video": N_("Video from an image"),
}
SOURCES = {"web": N_("Web"), "api": N_("API"), "telegram": N_("Telegram"), "discord": N_("Discord"), "terminal": N_("Terminal")}
PHASES = {
    "submit": N_("waits for its turn"),
    "submitting": N_("is being handed to the provider"),
    "submit_unknown": N_("handed over, but the provider's answer was lost"),
    "poll": N_("the provider works on it"),
    "fetch": N_("the result is being copied"),
    "needs_review": N_("waits for a person"),
    "done": N_("over"),
}
TONES = {"completed": "good", "failed": "bad", "cancelled": "", "queued": "", "processing": "busy", "review": "warn"}


@dataclass(frozen=True, slots=True)
class State:
    """`tone` is how it looks: good, bad, busy, warn or nothing."""

    key: str
    words: str
    tone: str


def state_of(job: AdminGenerationOut) -> State:
    key = "review" if job.phase == "needs_review" else job.status
    return State(key, _(STATUSES[key]), TONES[key])


def phase_words(phase: str) -> str:
    """A phase that came later than these words is shown by its name."""
    return _(PHASES[phase]) if phase in PHASES else phase


def money_words(job: AdminGenerationOut) -> str:
    """What became of the money that was set aside for it."""
    if job.phase != "done":
        return _("held until it is over")
    if job.cost_usd is None:
        return _("given back")
    return _("booked")


def in_list(words: dict[str, str], key: str) -> str:
    return _(words[key]) if key in words else key


# --- models

PRICE_OF = {
    "image": N_("Your own price for one image, in dollars"),
    "video": N_("Your own price for a second of video, in dollars"),
    "text": N_("Your own price for one answer, in dollars"),
}
CAPABILITIES = {
    "sizes": N_("Sizes"),
    "aspect_ratios": N_("Aspect ratios"),
    "image_sizes": N_("Image sizes"),
    "resolutions": N_("Resolutions"),
    "durations": N_("Lengths in seconds"),
    "frame_images": N_("Starts or ends with an image"),
    "generate_audio": N_("Makes sound"),
    "seed": N_("Takes a seed"),
    "negative_prompt": N_("Takes what to avoid"),
    "max_n": N_("Images at once"),
    "max_input_images": N_("Input images"),
    "context_length": N_("Context in tokens"),
    "max_output_tokens": N_("Answer in tokens"),
}


def standing(model: AdminModelOut) -> State:
    if model.vanished:
        return State("vanished", _("Not listed any more"), "bad")
    if not model.enabled:
        return State("off", _("Switched off"), "")
    if not model.price_known:
        return State("price", _("Needs a price"), "warn")
    return State("on", _("Offered"), "good")


def audience(roles: list[Role] | None) -> str:
    if roles is None or len(roles) > 1:
        return _("Everybody")
    return _("Admins") if roles == ["admin"] else _("Users")


def capabilities(model: AdminModelOut) -> list[tuple[str, str]]:
    """(what, how much) for each thing that the model can; what it cannot is left out."""
    found = []
    for name, value in model.capabilities.model_dump().items():
        if value in (None, False, 0, []):
            continue
        words = _("yes") if value is True else ", ".join(map(str, value)) if isinstance(value, list) else f"{value}"
        found.append((_(CAPABILITIES[name]) if name in CAPABILITIES else name.replace("_", " "), words))
    return found


# --- budgets

SCOPES = {
    "users": N_("All users together"),
    "admins": N_("All admins together"),
    "guests": N_("All guests together"),
    "global": N_("The whole studio"),
}
