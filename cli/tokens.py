"""The bots' tokens, shown to the platforms that gave them."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import httpx
from pydantic import SecretStr

from bots.settings import BotSettings
from client.proxies import proxy_of
from client.schemas.check_up import FindingOut, Subject

WITHIN = 10.0
REFUSED = {401, 403, 404}
"""Telegram answers a wrong token with 401 or 404."""
READS_MESSAGES = 1 << 18 | 1 << 19
"""Discord's flags of an application with the Message Content Intent: verified, and not."""
TELEGRAM, DISCORD = "TELEGRAM_BOT_TOKEN", "DISCORD_BOT_TOKEN"


async def look(bots: BotSettings) -> list[FindingOut]:
    """Return findings of both platforms."""
    found = await asyncio.gather(
        _look("telegram", TELEGRAM, bots.telegram_bot_token, lambda token: _telegram(bots, token)),
        _look("discord", DISCORD, bots.discord_bot_token, lambda token: _discord(bots, token)),
    )
    return [one for each in found for one in each]


async def _look(
    subject: Subject,
    setting: str,
    secret: SecretStr | None,
    ask: Callable[[str], Awaitable[list[FindingOut]]],
) -> list[FindingOut]:
    if secret is None:
        return [FindingOut.of(subject, "off", "token_unset", setting=setting)]
    token = secret.get_secret_value()
    try:
        return await ask(token)
    except httpx.HTTPStatusError as error:
        if error.response.status_code in REFUSED:
            return [FindingOut.of(subject, "bad", "token_refused", setting=setting)]
        return [
            FindingOut.of(subject, "bad", "failed", said=f"status {error.response.status_code}")
        ]
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, LookupError, TypeError) as error:
        # an error may quote the address, and Telegram's holds the token
        said = (str(error) or type(error).__name__).replace(token, "...")
        return [FindingOut.of(subject, "bad", "failed", said=said)]


async def _telegram(bots: BotSettings, token: str) -> list[FindingOut]:
    root = f"{bots.telegram_api_url}/bot{token}"
    me = (await _get(f"{root}/getMe"))["result"]
    found = [FindingOut.of("telegram", "good", "token_works", name=f"@{me['username']}")]
    webhook = (await _get(f"{root}/getWebhookInfo"))["result"]
    if bots.telegram_updates == "poll" and webhook.get("url"):
        found.append(FindingOut.of("telegram", "warn", "webhook_set"))
    elif said := webhook.get("last_error_message"):
        found.append(FindingOut.of("telegram", "warn", "webhook_fails", said=said))
    return found


async def _discord(bots: BotSettings, token: str) -> list[FindingOut]:
    root, headers = f"{bots.discord_api_url}/v10", {"Authorization": f"Bot {token}"}
    me = await _get(f"{root}/users/@me", headers)
    found = [FindingOut.of("discord", "good", "token_works", name=me["username"])]
    application = await _get(f"{root}/applications/@me", headers)
    if not application.get("flags", 0) & READS_MESSAGES:
        found.append(FindingOut.of("discord", "warn", "intent_missing"))
    return found


async def _get(url: str, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
    async with httpx.AsyncClient(
        proxy=proxy_of(url), trust_env=False, timeout=WITHIN, headers=headers
    ) as http:
        answer = await http.get(url)
    answer.raise_for_status()
    body = answer.json()
    if not isinstance(body, dict):
        raise ValueError(f"the answer of {httpx.URL(url).host} is no object")  # noqa: TRY004 - it is the other side's fault
    return body
