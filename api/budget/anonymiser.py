"""The money of a deleted account: its amounts stay without its name, so that the server's sums stay
right."""

from api.budget import day_sums, store
from api.budget.service import BudgetService
from api.budget.store import user_scope

NOBODY = "deleted"


class Anonymiser:
    def __init__(self, budget: BudgetService) -> None:
        self._budget = budget

    async def erase_user(self, user_id: str) -> None:
        """A hold that is still open is closed later by its id, and counted for nobody then."""
        async with self._budget.transaction() as sql:
            self._budget.hand_over(user_id, NOBODY)
            await store.rename_holds(sql, user_id, NOBODY)
            counters = await store.take_counters(sql, user_scope(user_id))
            await store.forget_member(sql, user_id)
            # those that were opened before the counters went
            await store.rename_holds(sql, user_id, NOBODY)
            await sql.execute("UPDATE ledger SET user_id = $2 WHERE user_id = $1", user_id, NOBODY)
            await day_sums.hand_over(sql, user_id, NOBODY)
            left = {(user_scope(NOBODY), month): each for (_, month), each in counters.items()}
            if left:
                await store.add_counters(sql, left)
                await store.change_counters(sql, left)
