"""What a bot's credential opens: a short token that acts for the user of a chat identity."""

from collections.abc import Mapping
from typing import Literal

from api import ids
from api.auth import store
from api.auth.store import Credential
from api.auth.tokens import ACT_LIFE, TokenSigner
from api.db import Db
from api.errors import NotAllowed, NotLinked
from api.links.schemas import ActIn, ActOut
from api.links.service import LinkService
from api.schemas import Platform
from api.users.service import UserService


class BotService:
    def __init__(
        self, db: Db, *, signer: TokenSigner, users: UserService, links: LinkService, chat_signup: Literal["link", "open"]
    ) -> None:
        self._db = db
        self._signer = signer
        self._users = users
        self._links = links
        self._chat_signup = chat_signup

    async def adopt_keys(self, keys: Mapping[str, str]) -> None:
        """Takes the credentials that were made for the platforms at the first start; those known already stay as they are."""
        for platform, key in keys.items():
            await store.add_credential(self._db, Credential(ids.new_id(), platform), ids.digest(key), ids.now())

    async def act(self, platform: Platform, body: ActIn) -> ActOut:
        """Raises `NotLinked`, `NotAllowed` (account disabled)."""
        user_id = await self._links.owner(platform, body.platform_user_id)
        if user_id is None and self._chat_signup == "open":
            user_id = await self._links.guest(platform, body.platform_user_id, display_name=body.display_name, chat_id=body.chat_id)
        if user_id is None:
            raise NotLinked("This chat is not linked to an account yet.")
        standing = await self._users.standing(user_id)
        if standing is None or standing.status != "active":
            raise NotAllowed("This account is disabled.")
        token = self._signer.act(user_id, platform=platform, platform_user_id=body.platform_user_id, chat_id=body.chat_id)
        return ActOut(access_token=token, expires_in=int(ACT_LIFE.total_seconds()), user_id=user_id)
