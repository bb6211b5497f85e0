"""The metrics of a chat process: messages that people send, and messages that the chat takes or
refuses."""

from client.version import VERSION
from telemetry.metrics import ProcessMetrics

UNKNOWN = "unknown"
SHOWN = "shown"


class ChatMetrics(ProcessMetrics):
    """The labels are closed sets: platforms, our commands, and the reasons of failed sends."""

    def __init__(self) -> None:
        super().__init__(VERSION)
        self._asked = self._counter(
            "chat_requests", "Messages and buttons of people.", "platform", "command"
        )
        self._sent = self._counter(
            "chat_sends",
            "Messages to chats: shown, or the reason why the chat did not take it.",
            "platform",
            "outcome",
        )

    def asked(self, platform: str, command: str | None) -> None:
        self._asked.labels(platform, command or UNKNOWN).inc()

    def sent(self, platform: str, outcome: str = SHOWN) -> None:
        self._sent.labels(platform, outcome).inc()


METRICS = ChatMetrics()
"""Of this process, which serves one platform."""
