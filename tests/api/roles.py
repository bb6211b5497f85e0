"""The role table: one row or more for every route of the api. A new route needs a row here, or
`test_roles.py` fails with its name.

`Row.made` names the thing that a try is about (`tests/api/roles_world.py`): its ids fill the path,
the query and the body.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

Refusal = tuple[int, str]
"""Status and code of a problem document."""


class Access(Enum):
    """The callers that get past a route's guard."""

    PUBLIC = "everybody, whatever they show"
    USER = "a signed-in person, or a bot acting for one"
    SESSION = "a signed-in person"
    RECENT = "a signed-in person who gave the password just now"
    ADMIN = "a signed-in admin"
    ACTING_ADMIN = "a bot acting for an admin, in a private chat"
    BOT = "a bot with its own credential"
    SHELL = "the shell of this machine, with the operator's key"
    SIGNED = "nobody but the provider, by its signature"


@dataclass(frozen=True)
class Row:
    """One route and its answers: `passes` for the owner of the thing, `foreign` for others that get
    past the guard, `instead` for callers with an answer of their own. A row that `spends` gets a
    new thing for each caller who passes. In a `lonely` row that caller is new as well, because the
    account or session does not survive."""

    method: str
    path: str
    access: Access
    made: str = ""
    json: Any = None
    query: str = ""
    passes: int = 200
    foreign: Refusal = (404, "not_found")
    instead: Mapping[str, Refusal] = field(default_factory=dict)
    spends: bool = False
    lonely: bool = False

    @property
    def route(self) -> tuple[str, str]:
        return self.method, self.path

    def __str__(self) -> str:
        return f"{self.method} {self.path}{self.query}"


PUBLIC, USER, SESSION, RECENT, ADMIN, ACTING_ADMIN, BOT, SHELL, SIGNED = Access
# A body that no route takes: who gets past the guard is told what is wrong with it.
BAD: dict[str, Any] = {"no such field": 1}

ACCOUNTS = [
    Row("POST", "/auth/setup", PUBLIC, json=BAD, passes=422),
    Row("POST", "/auth/register", PUBLIC, json=BAD, passes=422),
    Row("POST", "/auth/login", PUBLIC, json=BAD, passes=422),
    Row("POST", "/auth/refresh", PUBLIC, json=BAD, passes=422),
    Row("POST", "/auth/invitee", PUBLIC, json=BAD, passes=422),
    Row("POST", "/auth/reset", PUBLIC, json=BAD, passes=422),
    Row("POST", "/auth/forgot", PUBLIC, json=BAD, passes=422),
    Row("POST", "/auth/reauth", SESSION, json=BAD, passes=422),
    Row("POST", "/auth/logout", SESSION, passes=204, lonely=True),
    Row("GET", "/auth/sessions", SESSION),
    Row("DELETE", "/auth/sessions", SESSION, passes=204, lonely=True),
    Row("DELETE", "/auth/sessions/{session_id}", SESSION, made="session", passes=204, spends=True),
    Row("GET", "/users/me", USER),
    Row("PUT", "/users/me", USER, json={"language": "en"}),
    Row("PUT", "/users/me", SESSION, json={"new_password": "another good password"}, passes=422),
    Row("PUT", "/users/me", SESSION, json={"email": "marker-stolen@example.org"}, passes=422),
    Row("GET", "/users/me/preferences", USER),
    Row("PUT", "/users/me/preferences", USER, json={"time_zone": "Europe/Berlin"}),
    Row("GET", "/users/me/spend", USER),
    Row("POST", "/users/me/reports", USER, json=BAD, passes=422),
    Row("DELETE", "/users/me", RECENT, passes=204, lonely=True),
    Row("GET", "/users/me/export", RECENT),
    Row("GET", "/users", ADMIN),
    Row("POST", "/users", ADMIN, json=BAD, passes=422),
    Row("GET", "/users/{user_id}", ADMIN, made="account"),
    Row("DELETE", "/users/{user_id}", ADMIN, made="account", passes=204, spends=True),
    Row("PUT", "/users/{user_id}/role", ADMIN, made="account", json={"role": "user"}),
    Row("PUT", "/users/{user_id}/status", ADMIN, made="account", json={"status": "active"}),
    Row("PUT", "/users/{user_id}/budget", ADMIN, made="account", json={"monthly_usd": 1}),
    Row("POST", "/users/{user_id}/invite", ADMIN, made="invited account", passes=201),
    Row("POST", "/users/{user_id}/password-reset", ADMIN, made="account", passes=201),
    Row("GET", "/users/{user_id}/sessions", ADMIN, made="account"),
    Row("DELETE", "/users/{user_id}/sessions", ADMIN, made="account", passes=204),
    Row(
        "DELETE",
        "/users/{user_id}/sessions/{session_id}",
        ADMIN,
        made="session",
        passes=204,
        spends=True,
    ),
]

OPERATING = [
    Row("GET", "/admin/stats", ADMIN),
    Row("GET", "/admin/health/db", ADMIN),
    Row("GET", "/admin/warnings", ADMIN),
    Row("GET", "/admin/bots", ADMIN),
    Row("POST", "/admin/check-up", ADMIN),
    Row("GET", "/admin/users/{user_id}/spend", ADMIN, made="account"),
    Row("GET", "/admin/spend", ADMIN),
    Row("GET", "/admin/spend.csv", ADMIN),
    Row("GET", "/admin/audit", ADMIN),
    Row("GET", "/admin/audit.csv", ADMIN),
    Row("POST", "/admin/broadcast", ADMIN, json=BAD, passes=422),
    Row("GET", "/admin/broadcasts", ADMIN),
    Row("POST", "/admin/broadcasts/{broadcast_id}/stop", ADMIN, made="broadcast", passes=409),
    Row("GET", "/admin/places", ADMIN),
    Row("GET", "/admin/places/{place_id}", ADMIN, made="place"),
    Row("PUT", "/admin/places/{place_id}", ADMIN, made="place", json={"spoiler": True}),
    Row("DELETE", "/admin/places/{place_id}", ADMIN, made="place", passes=204, spends=True),
    Row("GET", "/admin/backups", ADMIN),
    Row("POST", "/admin/backups", ADMIN, passes=201),
    Row("GET", "/admin/backups/{name}", ADMIN, made="backup"),
    Row("GET", "/admin/settings", ADMIN),
    Row("PUT", "/admin/settings", ADMIN, json=BAD, passes=422),
    Row("GET", "/admin/retention", ADMIN),
    Row("POST", "/admin/retention/preview", ADMIN, json=BAD, passes=422),
    Row("PUT", "/admin/retention", ADMIN, json=BAD, passes=422),
    Row("GET", "/retention", USER),
    Row("POST", "/admin/tokens/purge", ADMIN),
    Row("GET", "/admin/bot-credentials", ADMIN),
    Row("POST", "/admin/bot-credentials/{platform}/rotate", ADMIN, made="credential", passes=201),
    Row(
        "DELETE",
        "/admin/bot-credentials/{credential_id}",
        ADMIN,
        made="credential",
        passes=204,
        spends=True,
    ),
    Row("GET", "/admin/generations", ADMIN),
    Row("GET", "/admin/generations/{generation_id}", ADMIN, made="generation"),
    Row(
        "DELETE",
        "/admin/generations/{generation_id}",
        ADMIN,
        made="generation",
        passes=204,
        spends=True,
    ),
    Row("POST", "/admin/generations/{generation_id}/cancel", ADMIN, made="video", spends=True),
    Row(
        "POST",
        "/admin/generations/{generation_id}/resolve",
        ADMIN,
        made="generation",
        json=BAD,
        passes=422,
    ),
    Row(
        "POST",
        "/admin/generations/{generation_id}/refund",
        ADMIN,
        made="generation",
        json=BAD,
        passes=422,
    ),
    Row("POST", "/admin/generations/{generation_id}/retry", ADMIN, made="generation", passes=409),
    Row("POST", "/admin/generations/purge", ADMIN, json=BAD, passes=422),
    Row("POST", "/admin/generations/timed-out", ADMIN),
    Row("GET", "/admin/budgets", ADMIN),
    Row("PUT", "/admin/budgets", ADMIN, json=BAD, passes=422),
    Row("GET", "/admin/models", ADMIN),
    Row("POST", "/admin/models", ADMIN, json=BAD, passes=422),
    Row("POST", "/admin/models/refresh", ADMIN),
    Row("GET", "/admin/models/{model_id}", ADMIN, made="model"),
    Row("PUT", "/admin/models/{model_id}", ADMIN, made="model", json=BAD, passes=422),
]

LINKS = [
    Row("POST", "/links/codes", RECENT, json=BAD, passes=422),
    Row("GET", "/links/codes/{code_id}", SESSION, made="code"),
    Row("POST", "/links/codes/{code_id}/confirm", SESSION, made="answered code", spends=True),
    Row("GET", "/links", USER),
    Row("GET", "/links/bots", USER),
    Row(
        "DELETE",
        "/links/{platform}/{platform_user_id}",
        RECENT,
        made="link",
        passes=204,
        spends=True,
    ),
    Row(
        "POST",
        "/bot/act",
        BOT,
        made="link",
        json={"platform_user_id": "{platform_user_id}", "chat_id": "1"},
        foreign=(404, "not_linked"),
    ),
    Row(
        "POST",
        "/bot/links/redeem",
        BOT,
        made="code",
        json={
            "code": "{code}",
            "platform_user_id": "{platform_user_id}",
            "chat_id": "1",
            "private": True,
        },
        spends=True,
    ),
    Row(
        "POST",
        "/bot/links/answer",
        BOT,
        made="redeemed code",
        json={"code_id": "{code_id}", "platform_user_id": "{platform_user_id}", "accept": True},
        spends=True,
    ),
    Row("PUT", "/bot/profile", BOT, json={"name": "bot"}, passes=204),
    Row("POST", "/bot/processes/beat", BOT, json=BAD, passes=422),
    Row("POST", "/bot/processes/leave", BOT, json=BAD, passes=422),
    Row("POST", "/bot/cards", BOT, json=BAD, passes=422),
    Row("POST", "/bot/joins", BOT, json=BAD, passes=422),
    Row(
        "POST",
        "/bot/joins/{join_id}",
        ACTING_ADMIN,
        made="join",
        json={"approve": False},
        passes=204,
        spends=True,
    ),
    Row("GET", "/admin/joins", ADMIN),
    Row(
        "POST",
        "/admin/joins/{join_id}",
        ADMIN,
        made="join",
        json={"approve": False},
        passes=204,
        spends=True,
    ),
    Row("POST", "/bot/places", BOT, json=BAD, passes=422),
    Row(
        "PUT",
        "/bot/places",
        BOT,
        made="place",
        json={
            "platform_place_id": "{platform_place_id}",
            "by": {"platform_user_id": "1"},
            "change": {"spoiler": True},
        },
    ),
    Row("POST", "/bot/places/moved", BOT, json={"before": "1", "after": "2"}, passes=204),
    Row("POST", "/bot/turns", BOT, json=BAD, passes=422),
    Row("POST", "/bot/updates/keep", BOT, json=BAD, passes=422),
    Row("POST", "/bot/updates/claim", BOT, json=BAD, passes=422),
    Row("POST", "/bot/updates/shown", BOT, json=BAD, passes=422),
    Row("POST", "/bot/updates/done", BOT, json=BAD, passes=422),
]

MAKING = [
    Row("GET", "/models", USER),
    Row("POST", "/generate/estimate", USER, json=BAD, passes=422),
    Row("POST", "/generate/text", USER, json=BAD, passes=422),
    Row(
        "POST",
        "/generate/text",
        USER,
        made="conversation",
        json={"prompt": "more", "conversation_id": "{conversation_id}"},
    ),
    Row("POST", "/generate/text/{answer_id}/stop", USER, made="conversation"),
    Row("POST", "/generate/text/stop", USER, json=BAD, passes=422),
    Row(
        "POST",
        "/generate/text",
        USER,
        made="conversation",
        json={"prompt": "more", "after": "{answer_id}"},
    ),
    Row(
        "POST",
        "/generate/text",
        USER,
        made="generation",
        json={"prompt": "what is it?", "images": ["{media_id}"]},
    ),
    Row("POST", "/generate/image", USER, json=BAD, passes=422),
    Row(
        "POST",
        "/generate/image",
        USER,
        made="generation",
        json={"prompt": "more", "input_images": ["{media_id}"]},
    ),
    Row("POST", "/generate/video", USER, json=BAD, passes=422),
    Row("POST", "/generate/video/from-image", USER, json=BAD, passes=422),
    Row(
        "POST",
        "/generate/video/from-image",
        USER,
        made="generation",
        json={"prompt": "it moves", "image_id": "{media_id}"},
        passes=202,
    ),
    Row("GET", "/generate/video/{generation_id}/status", USER, made="video"),
    Row("POST", "/generate/video/{generation_id}/cancel", USER, made="video", spends=True),
    Row("POST", "/generations/{generation_id}/cancel", USER, made="video", spends=True),
    Row("GET", "/generations", USER),
    Row("GET", "/generations/models", USER),
    Row("GET", "/generations/{generation_id}", USER, made="generation"),
    Row(
        "POST",
        "/generations/delete",
        USER,
        made="generation",
        json={"ids": ["{generation_id}"]},
        spends=True,
    ),
    Row("POST", "/generations/zip", USER, made="generation", json={"ids": ["{generation_id}"]}),
    Row(
        "POST",
        "/generations/{generation_id}/share",
        USER,
        made="generation",
        json={"hours": 1},
        passes=201,
    ),
    Row("GET", "/generations/{generation_id}/shares", USER, made="generation"),
    Row(
        "DELETE",
        "/generations/{generation_id}/shares/{share_id}",
        USER,
        made="share",
        passes=204,
        spends=True,
    ),
    Row("GET", "/shared/{token}", PUBLIC, made="share"),
    Row("POST", "/generations/{generation_id}/again", USER, made="generation", passes=202),
    Row("POST", "/generations/drafts/{draft_id}/confirm", USER, made="draft", passes=202),
    Row("DELETE", "/generations/{generation_id}", USER, made="generation", passes=204, spends=True),
    Row(
        "PUT",
        "/generations/{generation_id}/favourite",
        USER,
        made="generation",
        json={"favourite": True},
    ),
    Row(
        "PUT",
        "/generations/{generation_id}/card",
        USER,
        made="chat's video",
        json={"message_id": "1"},
        instead={"user": (403, "not_allowed"), "signed in long ago": (403, "not_allowed")},
    ),
    Row("POST", "/uploads", USER, passes=422),
    Row("POST", "/documents", USER, passes=422),
    Row("POST", "/audio/transcriptions", USER, passes=422),
    Row("POST", "/audio/speech", USER, json=BAD, passes=422),
    Row("POST", "/audio/speech", USER, made="conversation", json={"answer_id": "{answer_id}"}),
    Row("GET", "/media/{media_id}", USER, made="generation"),
    Row("HEAD", "/media/{media_id}", USER, made="generation"),
    Row("GET", "/media/{media_id}", PUBLIC, made="generation", query="?{signature}"),
    Row("HEAD", "/media/{media_id}", PUBLIC, made="generation", query="?{signature}"),
    Row("GET", "/media/{media_id}", USER, made="generation", query="?{old_signature}"),
    Row("GET", "/media/{media_id}", USER, made="two generations", query="?{foreign_signature}"),
    Row("POST", "/media/{media_id}/fit", USER, made="generation", json={"max_bytes": 10_000_000}),
    Row(
        "POST",
        "/media/{media_id}/fit",
        PUBLIC,
        made="generation",
        json={"max_bytes": 10_000_000},
        query="?{signature}",
    ),
    Row("GET", "/conversations", USER),
    Row("GET", "/conversations/{conversation_id}", USER, made="conversation"),
    Row("PUT", "/conversations/{conversation_id}", USER, made="conversation", json={"title": "x"}),
    Row(
        "PUT",
        "/conversations/{conversation_id}/chat",
        USER,
        made="conversation",
        json={"thread": "7"},
        instead={"user": (422, "invalid_request"), "signed in long ago": (422, "invalid_request")},
    ),
    Row("POST", "/conversations/new", USER, json=BAD, passes=422),
    Row(
        "DELETE",
        "/conversations/{conversation_id}",
        USER,
        made="conversation",
        passes=204,
        spends=True,
    ),
]

DELIVERIES = [
    Row("POST", "/bot/deliveries/claim", BOT, query="?wait=0"),
    Row(
        "POST",
        "/bot/deliveries/{delivery_id}/begin",
        BOT,
        made="delivery",
        json={"lease": "{lease}"},
        passes=204,
        foreign=(409, "conflict"),
        spends=True,
    ),
    Row(
        "POST",
        "/bot/deliveries/{delivery_id}/link",
        BOT,
        made="delivery",
        json={"lease": "{lease}"},
        passes=404,
        foreign=(409, "conflict"),
        spends=True,
    ),
    Row(
        "POST",
        "/bot/deliveries/{delivery_id}/ack",
        BOT,
        made="delivery",
        json={"lease": "{lease}", "message_ids": ["1"]},
        passes=204,
        foreign=(409, "conflict"),
        spends=True,
    ),
    Row(
        "POST",
        "/bot/deliveries/{delivery_id}/fail",
        BOT,
        made="delivery",
        json={"lease": "{lease}", "reason": "bot_broke", "final": True},
        passes=204,
        foreign=(409, "conflict"),
        spends=True,
    ),
]

INBOX = [
    Row("GET", "/admin/deliveries", ADMIN),
    Row("GET", "/admin/deliveries/{delivery_id}", ADMIN, made="undelivered"),
    Row("POST", "/admin/deliveries/{delivery_id}/retry", ADMIN, made="undelivered", spends=True),
    Row("POST", "/admin/deliveries/{delivery_id}/to-dm", ADMIN, made="undelivered", spends=True),
    Row("GET", "/inbox", SESSION),
    Row("POST", "/inbox/read", SESSION, passes=204),
    Row("POST", "/inbox/{delivery_id}/read", SESSION, made="undelivered", passes=204),
    Row("DELETE", "/inbox/{delivery_id}", SESSION, made="undelivered", passes=204, spends=True),
    Row(
        "POST",
        "/generations/{generation_id}/send",
        SESSION,
        made="generation",
        json={"platform": "telegram"},
        passes=202,
    ),
]

MACHINES = [
    Row("POST", "/internal/admins", SHELL, json={"email": "marker-of-shell@example.org"}),
    Row("POST", "/internal/password-resets", SHELL, json={"email": "marker-of-ana@example.org"}),
    Row("POST", "/internal/bot-keys", SHELL, passes=204),
    Row("POST", "/internal/check-up", SHELL),
    Row("GET", "/internal/status", SHELL),
    Row("GET", "/internal/invariants", SHELL),
    Row("POST", "/internal/backups", SHELL),
    Row("POST", "/internal/media/missing/forget", SHELL),
    Row("GET", "/internal/media/named", SHELL, passes=422),
    Row("POST", "/batch", USER, json={"paths": ["/users/me"]}),
    Row("GET", "/healthz", PUBLIC),
    # public from this machine only, as here; other machines are in test_metrics.py
    Row("GET", "/metrics", PUBLIC),
    Row("GET", "/readyz", PUBLIC),
    Row("GET", "/openapi.json", PUBLIC),
    Row("HEAD", "/openapi.json", PUBLIC),
    Row("GET", "/docs", PUBLIC),
    Row(
        "POST",
        "/webhooks/openrouter/{token}",
        SIGNED,
        made="video",
        json={"type": "video.completed", "data": {"id": "job-1"}},
        passes=204,
    ),
]

ROWS = [*ACCOUNTS, *OPERATING, *LINKS, *MAKING, *DELIVERIES, *INBOX, *MACHINES]
