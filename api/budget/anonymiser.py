"""The money of a deleted account: its amounts stay without its name, so that the server's sums stay
right."""

from api.budget import day_sums
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
            await sql.execute("UPDATE holds SET user_id = $2 WHERE user_id = $1", user_id, NOBODY)
            await sql.execute("UPDATE ledger SET user_id = $2 WHERE user_id = $1", user_id, NOBODY)
            await day_sums.hand_over(sql, user_id, NOBODY)
            query = (
                "INSERT INTO budgets (scope, month, held_micro, spent_micro) "
                "SELECT $2::text, month, held_micro, spent_micro FROM budgets WHERE scope = $1 "
                "ON CONFLICT (scope, month) DO UPDATE "
                "SET held_micro = budgets.held_micro + excluded.held_micro, "
                "spent_micro = budgets.spent_micro + excluded.spent_micro"
            )
            await sql.execute(query, user_scope(user_id), user_scope(NOBODY))
            await sql.execute("DELETE FROM budgets WHERE scope = $1", user_scope(user_id))
