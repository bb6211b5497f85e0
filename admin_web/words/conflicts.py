"""What the api says when something cannot be done as things stand: one code for all, so its own
sentences are what is translated."""

from admin_web.words.language import N_

CONFLICTS = frozenset(
    {
        N_("This e-mail address already has an account."),
        N_("This account is in use already. A password reset gives it a new password."),
        N_("This account has no password to reset: it is a guest's, still invited, or disabled."),
        N_("This account is disabled."),
        N_("A guest account cannot become an admin."),
        N_("A model that is switched off or has vanished cannot be the default."),
        N_("A backup is being made already."),
        N_("The backup could not be made. The reason is in the log of the api."),
        N_("Nothing of it waits any more: it was sent, or stopped before."),
        N_("Its owner has no linked chat there."),
        N_("It was moved on just now. Look again."),
        N_("It was shown, or its owner has put it aside."),
        N_("A bot is showing it right now. Look again in a minute."),
        N_("What was made is deleted: there is nothing to show any more."),
        N_("It is not finished, so there is nothing to send yet."),
        N_("Its outcome is not unknown, or not any more."),
        N_("Only one that failed or was cancelled, and whose outcome is known, can be made again."),
        N_("There is nothing to refund: it cost nothing, is not over, or was refunded before."),
        N_("It is not over. Cancel or resolve it first."),
        N_("It is still being made. Cancel it first, then delete it once its cost is known."),
        N_("This is being answered already."),
        N_("This was sent at the same moment. Please try again."),
        N_("This was asked for at the same moment. Please try again."),
        N_("A smaller copy of this file is being made."),
        N_("The server is being stopped."),
        N_("This chat belongs to another account. It has to be unlinked there first."),
        N_("A guest account belongs to its chat. Link the chat to an account to change that."),
        N_("This chat was unlinked just now. Try again."),
        N_("This chat is linked to an account already. Unlink it there first."),
        N_("Answer the question in the chat with Yes first."),
        N_("This code cannot be confirmed (any more). Make a new one."),
    }
)
