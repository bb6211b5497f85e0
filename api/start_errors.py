"""The error of a process that cannot start."""


class CannotStart(Exception):
    """The text is one sentence for the operator: what is wrong, and what to do. `final`: the next
    start would end the same way."""

    def __init__(self, text: str, *, final: bool = True) -> None:
        super().__init__(text)
        self.final = final
