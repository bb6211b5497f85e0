"""Errors in `/openapi.json`: each status that an operation may answer, as a problem document.

Statuses that follow from an operation's shape are added to all; the others stand in `_MORE`.
The tests' harness refuses an answer whose status stands in neither.
"""

from typing import Any, get_args

from api import errors
from api.errors import BY_CODE, DomainError, reasons_of
from api.problems import ProblemResponse
from api.reasons import SENTENCES, Making
from api.schemas import Problem

Said = dict[str, list[str]]
"""By status: what it may mean."""

_ALWAYS: Said = {
    "422": ["`invalid_request`: The request is not valid"],
    "500": ["`internal_error`: Internal error"],
    "503": ["`database_unavailable`: Database unavailable"],
}
_WITH_BODY: Said = {
    "400": ["`invalid_request`: The body cannot be read"],
    "413": ["`too_large`: Too large"],
}

_PASSWORD = (errors.RateLimited,)
_PAID = (
    errors.BudgetExceeded,
    errors.ConfirmCost,
    errors.PriceUnknown,
    errors.Conflict,
    errors.RateLimited,
    errors.TooManyJobs,
)
_CHOSEN = (
    errors.NotFound,
    errors.ModelUnavailable,
    errors.OptionUnsupported,
    errors.UnsupportedMedia,
    errors.StorageFull,
)
_WAITED_FOR = (
    errors.ContentRefused,
    errors.ProviderUnavailable,
    errors.ProviderOutOfCredit,
    errors.OutcomeUnknown,
    errors.TimedOut,
)
_MORE: dict[str, tuple[type[DomainError], ...]] = {
    "POST /auth/setup": (
        errors.SetupDone,
        errors.NotAuthenticated,
        errors.Conflict,
        errors.RateLimited,
    ),
    "POST /auth/register": (
        errors.SignupClosed,
        errors.NotFound,
        errors.Conflict,
        errors.RateLimited,
    ),
    "POST /auth/invitee": (errors.NotFound, errors.RateLimited),
    "POST /auth/reset": (errors.NotFound, errors.Conflict, errors.RateLimited),
    "POST /auth/forgot": (errors.NotFound, errors.RateLimited),
    "POST /auth/login": (errors.NotAuthenticated, errors.RateLimited),
    "POST /auth/refresh": (errors.NotAuthenticated,),
    "POST /auth/reauth": _PASSWORD,
    "PUT /users/me": (*_PASSWORD, errors.Conflict),
    "DELETE /users/me": (*_PASSWORD, errors.ReauthRequired, errors.LastAdmin),
    "PUT /users/me/preferences": (errors.NotFound,),
    "POST /users/me/reports": (errors.NotFound,),
    "GET /users/me/export": (errors.ReauthRequired,),
    "POST /users": (errors.Conflict,),
    "POST /users/{user_id}/invite": (errors.Conflict,),
    "PUT /users/{user_id}/role": (errors.Conflict, errors.LastAdmin),
    "PUT /users/{user_id}/status": (errors.LastAdmin,),
    "POST /users/{user_id}/password-reset": (errors.Conflict,),
    "DELETE /users/{user_id}": (errors.LastAdmin,),
    "POST /links/codes": (errors.ReauthRequired, errors.Conflict, errors.RateLimited),
    "POST /links/codes/{code_id}/confirm": (errors.ReauthRequired, errors.Conflict),
    "DELETE /links/{platform}/{platform_user_id}": (errors.ReauthRequired,),
    "POST /bot/act": (errors.NotLinked,),
    "POST /bot/joins": (errors.RateLimited,),
    "POST /bot/places": (errors.NotFound,),
    "PUT /bot/places": (errors.NotFound,),
    "POST /bot/links/redeem": (errors.NotFound, errors.Conflict, errors.RateLimited),
    "POST /bot/links/answer": (errors.NotFound, errors.Conflict),
    "POST /bot/deliveries/{delivery_id}/begin": (errors.Conflict,),
    "POST /bot/deliveries/{delivery_id}/link": (errors.Conflict,),
    "POST /bot/deliveries/{delivery_id}/ack": (errors.Conflict,),
    "POST /bot/deliveries/{delivery_id}/fail": (errors.Conflict,),
    "POST /generate/estimate": _CHOSEN,
    "POST /generate/text": (*_PAID, *_CHOSEN, *_WAITED_FOR),
    "POST /audio/transcriptions": (*_PAID, *_CHOSEN, *_WAITED_FOR),
    "POST /audio/speech": (*_PAID, *_CHOSEN, *_WAITED_FOR),
    "POST /generate/image": (*_PAID, *_CHOSEN, *_WAITED_FOR),
    "POST /generate/video": (*_PAID, *_CHOSEN),
    "POST /generate/video/from-image": (*_PAID, *_CHOSEN),
    "POST /generations/{generation_id}/again": (*_PAID, *_CHOSEN),
    "POST /generations/drafts/{draft_id}/confirm": (*_PAID, *_CHOSEN),
    "POST /generate/video/{generation_id}/cancel": (errors.AlreadyFinished, errors.Conflict),
    "POST /generations/{generation_id}/cancel": (errors.AlreadyFinished, errors.Conflict),
    "DELETE /generations/{generation_id}": (errors.Conflict,),
    "PUT /generations/{generation_id}/card": (errors.Conflict,),
    "POST /generations/{generation_id}/share": (errors.Conflict,),
    "POST /generations/{generation_id}/send": (errors.NotLinked, errors.Conflict),
    "POST /generations/delete": (errors.NotFound,),
    "POST /generations/zip": (errors.NotFound,),
    "GET /media/{media_id}": (errors.NotAuthenticated,),
    "POST /media/{media_id}/fit": (
        errors.NotAuthenticated,
        errors.Conflict,
        errors.UnsupportedMedia,
        errors.StorageFull,
    ),
    "POST /documents": (errors.Conflict, errors.UnsupportedMedia, errors.StorageFull),
    "POST /uploads": (errors.Conflict, errors.UnsupportedMedia, errors.StorageFull),
    "POST /admin/models": (errors.Conflict,),
    "PUT /admin/models/{model_id}": (errors.Conflict,),
    "POST /admin/models/refresh": (errors.ProviderUnavailable, errors.ProviderOutOfCredit),
    "POST /admin/broadcast": (errors.Conflict,),
    "POST /admin/broadcasts/{broadcast_id}/stop": (errors.Conflict,),
    "POST /admin/backups": (errors.Conflict, errors.StorageFull),
    "POST /admin/deliveries/{delivery_id}/retry": (errors.Conflict,),
    "POST /admin/deliveries/{delivery_id}/to-dm": (errors.Conflict,),
    "POST /admin/generations/{generation_id}/resolve": (errors.Conflict,),
    "POST /admin/generations/{generation_id}/cancel": (errors.AlreadyFinished, errors.Conflict),
    "POST /admin/generations/{generation_id}/retry": (*_PAID, *_CHOSEN),
    "POST /admin/generations/{generation_id}/refund": (errors.Conflict,),
    "DELETE /admin/generations/{generation_id}": (errors.Conflict,),
}


def with_errors(schema: dict[str, Any]) -> None:
    """Adds them to the schema that FastAPI has made."""
    problem = Problem.model_json_schema(
        ref_template="#/components/schemas/{model}", mode="serialization"
    )
    schemas = schema["components"]["schemas"]
    problem["properties"]["reason"]["description"] = _reasons()
    schemas.update(problem.pop("$defs"), Problem=problem)
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    more = dict(_MORE)
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            _add(operation, path, more.pop(f"{method.upper()} {path}", ()))
    if more:
        raise RuntimeError(f"no such operations: {', '.join(more)}")


def _reasons() -> str:
    """Markdown: each code with its reasons, and each reason with its sentence."""
    lines = ["Closed, by `code`. A sentence shows the names of its `params` as `%(name)s`."]
    making = sorted(get_args(Making))
    lines += ["", "Why something was not made, with any code of making it:", ""]
    lines += [f"- `{reason}`: {SENTENCES[reason]}" for reason in making]
    for code, kind in sorted(BY_CODE.items()):
        if own := [reason for reason in reasons_of(kind) if reason not in making]:
            lines += ["", f"`{code}`:", ""]
            lines += [f"- `{reason}`: {SENTENCES[reason]}" for reason in own]
    return "\n".join(lines)


def _add(operation: dict[str, Any], path: str, more: tuple[type[DomainError], ...]) -> None:
    responses = operation["responses"]
    responses.pop("422", None)  # FastAPI's own, in a shape that no answer has
    found: Said = {status: list(said) for status, said in _ALWAYS.items()}
    if "requestBody" in operation:
        found |= {status: list(said) for status, said in _WITH_BODY.items()}
    guarded = (errors.NotAuthenticated, errors.NotAllowed) if "security" in operation else ()
    of_a_thing = (errors.NotFound,) if "{" in path else ()
    for error in (*guarded, *of_a_thing, *more):
        said, words = found.setdefault(str(error.status), []), f"`{error.code}`: {error.title}"
        if words not in said:
            said.append(words)
    content = {ProblemResponse.media_type: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for status, said in found.items():
        responses[status] = {"description": "; ".join(said), "content": content}
    for status, answer in responses.items():
        if status >= "400":
            answer["content"] = content
