"""Accounts: profile, role, and listing. Who may do it is decided by the routes' callers."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from api import ids
from api.db import Db, Duplicate, Sql, marks
from api.errors import Conflict, InvalidRequest, LastAdmin, NotFound, SetupDone
from api.schemas import Page, micro, usd
from api.users import audit, passwords, store
from api.users.passwords import Passwords
from api.users.schemas import ProfileIn, Role, Sort, Standings, Status, UserOut
from api.users.store import Change, Standing, User

SETUP = "setup"
ADMINS = "admins"
"""The mark for which changes of admins wait for each other."""
PRODUCT_WORDS = (
    "allucanget",
    "all you can get ai",
    "allyoucangetai",
    "all you can get",
    "openrouter",
)


class Figures(Protocol):
    """This month's money of a user: spent and held micro-dollars. Of several, those who spent and
    hold nothing are left out."""

    async def of_user(self, user_id: str) -> tuple[int, int]: ...

    async def of_users(self, user_ids: Sequence[str]) -> Mapping[str, tuple[int, int]]: ...


class UserService:
    """`hosts` are the names under which this server is known, which make no password."""

    def __init__(
        self,
        db: Db,
        *,
        passwords: Passwords,
        figures: Figures,
        monthly_usd: Decimal,
        guest_monthly_usd: Decimal,
        hosts: Sequence[str] = (),
    ) -> None:
        self._db = db
        self._passwords = passwords
        self._figures = figures
        self._monthly_micro = micro(monthly_usd)
        self._guest_micro = micro(guest_monthly_usd)
        self._words = (*PRODUCT_WORDS, *hosts)
        self._has_admin = False

    async def standing(self, user_id: str) -> Standing | None:
        """Return status and role. One read by key, because it runs on every call."""
        return await store.standing(self._db, user_id)

    async def find(self, user_id: str, sql: Sql | None = None) -> User | None:
        """Return the account. Inside a transaction give its `sql`."""
        return await store.by_id(sql or self._db, user_id)

    async def names(self, ids: Collection[str]) -> dict[str, str]:
        """Return the names of these accounts: the e-mail address, or a guest's name."""
        return await store.names(self._db, ids)

    async def admins(self) -> list[str]:
        """Return the ids of the admins."""
        return await store.admins(self._db)

    async def hear_language(self, user: User, language: str | None) -> None:
        """Store the person's language by the chat platform, for people who have not chosen one."""
        if language is not None and user.language == "auto" and user.heard_language != language:
            await store.hear_language(self._db, user.id, language)

    async def find_by_email(self, email: str) -> User | None:
        return await store.by_email(self._db, normal(email))

    async def setup_needed(self) -> bool:
        """Tell whether the first admin is still missing. There is always one later on, so the
        answer is kept."""
        if not self._has_admin:
            self._has_admin = await store.has_admin(self._db)
        return not self._has_admin

    async def out(self, user: User) -> UserOut:
        return _out(user, *await self._figures.of_user(user.id))

    async def show(self, user_id: str) -> UserOut:
        return await self.out(await self.existing(user_id))

    async def page(
        self,
        *,
        q: str | None,
        role: Role | None,
        status: Standings | None,
        sort: Sort = "newest",
        cursor: str | None,
        limit: int,
    ) -> Page[UserOut]:
        month = f"{ids.now():%Y-%m}"
        shown, more = await store.page(
            self._db,
            words=q,
            role=role,
            status=status,
            sort=sort,
            month=month,
            cursor=cursor,
            limit=limit,
        )
        figures = await self._figures.of_users([user.id for user in shown])
        return Page(
            items=[_out(user, *figures.get(user.id, (0, 0))) for user in shown], next_cursor=more
        )

    async def new_person(self, email: str, password: str, role: Role) -> User:
        """Return a person's account, not stored yet: hashing takes long and belongs outside the
        transaction. Raises `InvalidRequest`."""
        user = self.new_invited(email, role, None)
        return replace(user, password_hash=await self.hash_for(user, password))

    def new_invited(self, email: str, role: Role, monthly_usd: Decimal | None) -> User:
        """Return the account of a person who has still to choose a password, not stored yet."""
        monthly = self._monthly_micro if monthly_usd is None else micro(monthly_usd)
        return _new(normal(email), email.partition("@")[0], role, monthly)

    async def hash_for(
        self, user: User, password: str, *, field: str = "password", email: str | None = None
    ) -> str:
        """Return the hash of a new password, which has to be good enough for this user. Raises
        `InvalidRequest`."""
        address = email or user.email or ""
        await passwords.check(
            password,
            user.role,
            words=(*self._words, address, *address.split("@"), user.display_name),
            field=field,
        )
        return await self._passwords.hash(password)

    async def choose_password(
        self, sql: Sql, user_id: str, password_hash: str, *, first: bool
    ) -> User | None:
        """Set the password, and return the account; None when it is switched off, or when `first`
        is not so (any more)."""
        return await store.set_password(sql, user_id, password_hash, first=first, at=ids.now())

    async def hold_with_password(self, sql: Sql, user: User) -> bool:
        """Tell whether the account is active and has the password that `user` was read with; it
        stays so until the transaction ends."""
        return user.password_hash is not None and await store.hold_with_password(
            sql, user.id, user.password_hash, ids.now()
        )

    async def hold_active(self, sql: Sql, user_id: str) -> bool:
        """Tell whether the account is active; it stays so until the transaction ends."""
        return await store.hold_active(sql, user_id, ids.now())

    def new_guest(self, display_name: str, let_in_by: str | None = None) -> User:
        """Return an account for a chat identity, not stored yet. `let_in_by`: the place that takes
        guests, where the server takes none."""
        guest = _new(None, display_name or "Guest", "user", self._guest_micro)
        return replace(guest, guest_place_id=let_in_by)

    async def add(self, sql: Sql, user: User) -> None:
        """Raises `Conflict` when the e-mail has an account; the transaction is lost then."""
        try:
            await store.insert(sql, user)
        except Duplicate as error:
            raise Conflict("email_taken") from error

    async def add_first_admin(self, sql: Sql, user: User) -> None:
        """Store the first admin. Exactly one call ever succeeds. Raises `SetupDone`."""
        try:
            await marks.add(sql, SETUP, ids.now())
        except Duplicate as error:
            raise SetupDone("admin_exists") from error
        if await store.has_admin(sql):
            raise SetupDone("admin_exists")
        await self.add(sql, user)

    async def free_guest(self, user_id: str) -> None:
        """Let a guest use the bot everywhere, not only in places that take guests."""
        await store.free_guest(self._db, user_id)

    async def retire_guest(self, sql: Sql, user_id: str) -> bool:
        """Switch off a guest account that a person takes over. False when it is no guest's."""
        return await store.set_guest_status(sql, user_id, "disabled", ids.now())

    async def revive_guest(self, sql: Sql, user_id: str) -> bool:
        """Switch a guest account on again. False when there is no such guest."""
        return await store.set_guest_status(sql, user_id, "active", ids.now())

    async def verify(self, user: User | None, password: str) -> User | None:
        """Return the user when this is the password. It takes as long for nobody and for a guest as
        for a wrong password. Renews a hash that was made at a lower cost."""
        stored = user.password_hash if user else None
        if not await self._passwords.matches(stored, password) or user is None or stored is None:
            return None
        if self._passwords.is_weaker(stored):
            renewed = await self._passwords.hash(password)
            if await store.replace_hash(self._db, user.id, stored, renewed):
                return replace(user, password_hash=renewed)
        return user

    async def check_change(self, user_id: str, body: ProfileIn) -> Change:
        """Return the change that the body asks for, a new password hashed. Raises `InvalidRequest`,
        `NotFound`."""
        user = await self.existing(user_id)
        change = Change(
            display_name=_name(body), language=body.language, confirm_micro=_confirm(body)
        )
        if body.email is None and body.new_password is None:
            return change
        current = body.current_password
        if current is None:
            raise _wrong_password()
        proved = await self.prove(user, current.get_secret_value())
        change = replace(change, proved_hash=proved.password_hash)
        if body.new_password is not None:
            hashed = await self.hash_for(
                user, body.new_password.get_secret_value(), field="new_password", email=body.email
            )
            change = replace(change, password_hash=hashed)
        return replace(change, email=normal(body.email) if body.email else None)

    async def prove(self, user: User, password: str) -> User:
        """Raises `InvalidRequest` when this is not the user's password."""
        proved = await self.verify(user, password)
        if proved is None:
            raise _wrong_password()
        return proved

    async def save_change(self, sql: Sql, user_id: str, change: Change) -> None:
        """Raises `Conflict` when the e-mail belongs to another account, `InvalidRequest` when the
        password was changed since it was verified; the transaction is lost then."""
        try:
            saved = await store.update(sql, user_id, change, ids.now())
        except Duplicate as error:
            raise Conflict("email_taken") from error
        if not saved:
            raise _wrong_password()

    async def set_role(self, user_id: str, role: Role, *, actor_id: str | None) -> UserOut:
        """Change the role, from the user's next call on. Raises `LastAdmin`, `NotFound`, `Conflict`
        (a guest cannot sign in, so it cannot be an admin)."""
        async with self._db.transaction() as sql:
            await marks.touch(sql, ADMINS, ids.now())
            user = _there(await store.by_id(sql, user_id))
            if user.guest and role == "admin":
                raise Conflict("guest_no_admin")
            await self._stand(sql, user, role=role, status=user.status)
            before, after = {"role": user.role}, {"role": role}
            await audit.record(
                sql, "user_role", actor_id=actor_id, subject=user_id, before=before, after=after
            )
        return await self.out(replace(user, role=role))

    async def set_status(self, sql: Sql, user_id: str, status: Status, *, actor_id: str) -> User:
        """Change the status, from the user's next call on. Raises `LastAdmin`, `NotFound`; the
        transaction is lost then."""
        await marks.touch(sql, ADMINS, ids.now())
        user = _there(await store.by_id(sql, user_id))
        await self._stand(sql, user, role=user.role, status=status)
        before, after = {"status": user.status}, {"status": status}
        await audit.record(
            sql, "user_status", actor_id=actor_id, subject=user_id, before=before, after=after
        )
        return replace(user, status=status)

    async def set_budget(self, user_id: str, monthly_usd: Decimal, *, actor_id: str) -> UserOut:
        """Raises `NotFound`."""
        monthly = micro(monthly_usd)
        async with self._db.transaction() as sql:
            user = _there(await store.by_id(sql, user_id))
            await store.set_budget(sql, user_id, monthly, ids.now())
            before, after = (
                {"monthly_usd": f"{usd(amount):.6f}"} for amount in (user.monthly_micro, monthly)
            )
            await audit.record(
                sql, "user_budget", actor_id=actor_id, subject=user_id, before=before, after=after
            )
        return await self.out(replace(user, monthly_micro=monthly))

    async def switch_off(self, user_id: str) -> User:
        """Disable the account, so that nothing new arrives for it. Raises `LastAdmin`,
        `NotFound`."""
        async with self._db.transaction() as sql:
            await marks.touch(sql, ADMINS, ids.now())
            user = _there(await store.by_id(sql, user_id))
            await self._stand(sql, user, role=user.role, status="disabled")
        return user

    async def delete(self, sql: Sql, user: User, *, actor_id: str) -> None:
        await store.delete(sql, user.id)
        before: audit.Facts = {"role": user.role, "guest": user.guest}
        await audit.record(sql, "user_delete", actor_id=actor_id, subject=user.id, before=before)

    async def deleted_since(self, since: datetime) -> list[str]:
        """Return the ids of accounts that are gone."""
        found = await audit.subjects(self._db, "user_delete", since=since)
        return [each for each in found if await store.standing(self._db, each) is None]

    async def _stand(self, sql: Sql, user: User, *, role: Role, status: Status) -> None:
        if not await store.set_standing(sql, user.id, role=role, status=status, at=ids.now()):
            raise LastAdmin("last_admin_stays")

    async def existing(self, user_id: str) -> User:
        """Raises `NotFound`."""
        return _there(await store.by_id(self._db, user_id))


def normal(email: str) -> str:
    """An e-mail address as it is stored and looked up."""
    return email.strip().lower()


def _new(email: str | None, name: str, role: Role, micro: int) -> User:
    """Return an account without a password; a guest's has no e-mail address."""
    new_id, at, is_guest = ids.new_id(), ids.now(), email is None
    return User(new_id, email, None, name, role, "active", "auto", micro, is_guest, at)


def _out(user: User, spent: int, held: int) -> UserOut:
    return UserOut(
        id=user.id,
        email=user.email,
        display_name=user.display_name,
        role=user.role,
        status=user.status,
        invited=user.invited,
        guest=user.guest,
        language=user.language,
        monthly_usd=usd(user.monthly_micro),
        spent_usd=usd(spent),
        held_usd=usd(held),
        confirm_above_usd=usd(user.confirm_micro) if user.confirm_micro is not None else None,
        created_at=user.created_at,
    )


def _wrong_password() -> InvalidRequest:
    return InvalidRequest("password_wrong", field="current_password")


def _name(body: ProfileIn) -> str | None:
    name = body.display_name.strip() if body.display_name is not None else None
    if name == "":
        raise InvalidRequest("blank", field="display_name")
    return name


def _there(user: User | None) -> User:
    if user is None:
        raise NotFound("account_unknown")
    return user


def _confirm(body: ProfileIn) -> int | None:
    if "confirm_above_usd" not in body.model_fields_set:
        return None
    return store.NEVER if body.confirm_above_usd is None else micro(body.confirm_above_usd)
