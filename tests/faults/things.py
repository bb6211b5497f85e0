"""Things that calls may be about, by the names of parameters: made-up ids alone would meet nothing
but `not_found`."""

from typing import Any

from tests.api.harness import PASSWORD
from tests.faults.studio import MARK, PLATFORM, Studio

Things = dict[str, list[Any]]
"""Values by the name of a parameter or of a field in a body."""


def make_things(studio: Studio, earlier: Things) -> Things:
    """Make one of each, the member's where it is a person's. What only a few may be made of is
    made `earlier` once."""
    member, admin = studio.token("member"), studio.token("admin")
    chat = studio.people["member"].chat
    things: Things = earlier or _once(studio, member, admin)
    things |= _results(studio, member) | _people(studio, member)
    leased = studio.good(studio.token("bot"), "POST", "/bot/deliveries/claim?wait=0&limit=5")
    if leased:
        things["delivery_id"] = [each["id"] for each in leased]
        things["lease"] = [each["lease"] for each in leased]
    things["platform_user_id"] = things["chat_id"] = [chat]
    things["address"] = [{"platform": PLATFORM, "chat_id": chat, "private": True}]
    return things


def _once(studio: Studio, member: str | None, admin: str | None) -> Things:
    models = studio.good(admin, "GET", "/admin/models")["items"]
    told = {"text": "hello", "platforms": ["discord"]}
    number = next(studio.numbers)
    invited = studio.good(admin, "POST", "/users", {"email": f"guest-{number}@example.org"})
    code = studio.good(member, "POST", "/links/codes", {"platform": "discord"})
    credentials = studio.good(admin, "GET", "/admin/bot-credentials")
    return {
        "platform": [PLATFORM, "discord"],
        "password": [PASSWORD],
        "current_password": [PASSWORD],
        "Idempotency-Key": ["key-1", "key-2", "key-3"],
        "model_id": [one["id"] for one in models[:5]],
        "model": [one["id"] for one in models[:20]],
        "broadcast_id": [studio.good(admin, "POST", "/admin/broadcast", told)["id"]],
        "name": [studio.good(admin, "POST", "/admin/backups")["name"]],
        "credential_id": [one["id"] for one in credentials["items"]],
        "invite": [invited["token"]],
        "guest": [invited["user"]["id"]],
        "code_id": [code["id"]],
        "code": [code["code"]],
    }


def _results(studio: Studio, member: str | None) -> Things:
    image = studio.good(member, "POST", "/generate/image", {"prompt": MARK})
    foreign = studio.good(
        studio.token("other member"), "POST", "/generate/image", {"prompt": "a fox"}
    )
    chat = studio.token("chat of the member")
    address = {"platform": PLATFORM, "chat_id": studio.people["member"].chat, "private": True}
    video = studio.good(chat, "POST", "/generate/video", {"prompt": MARK, "address": address})
    share = studio.good(member, "POST", f"/generations/{image['id']}/share", {"hours": 1})
    answer = studio.good(member, "POST", "/generate/text", {"prompt": MARK})
    media = [image["images"][0]["id"], foreign["images"][0]["id"]]
    query = image["images"][0]["url"].partition("?")[2]
    signed = dict(part.split("=") for part in query.split("&"))
    ids = [image["id"], video["id"], foreign["id"], image["short_id"]]
    return {
        "generation_id": ids,
        "ids": [ids[:1], ids],
        "share_id": [share["id"]],
        "token": [share["token"]],
        "conversation_id": [answer["conversation_id"]],
        "answer_id": [answer["id"]],
        "after": [answer["id"]],
        "media_id": media,
        "image_id": media,
        "last_image_id": media,
        "images": [media[:1], media],
        "input_images": [media[:1], media],
        "exp": [signed["exp"]],
        "sig": [signed["sig"]],
        "cursor": [image["id"], answer["conversation_id"]],
    }


def _people(studio: Studio, member: str | None) -> Things:
    sessions = studio.good(member, "GET", "/auth/sessions")["items"]
    return {
        "user_id": [one.user_id for one in studio.people.values()],
        "email": [one.email for one in studio.people.values()],
        "session_id": [one["id"] for one in sessions],
    }
