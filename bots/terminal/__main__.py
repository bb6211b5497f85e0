"""`python -m bots.terminal`: chat without any chat platform."""

from bots.settings import BotSettings
from bots.terminal.app import main

__all__ = ["main"]

if __name__ == "__main__":
    main(BotSettings())
