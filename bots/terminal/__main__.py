"""`python -m bots.terminal`: chat without any chat platform."""

import sys

from pydantic import ValidationError

from bots.settings import BotSettings
from bots.terminal.app import main

if __name__ == "__main__":
    try:
        settings = BotSettings()
    except ValidationError as error:
        sys.exit("\n".join(f"{str(one['loc'][0]).upper()}: {one['msg']}" for one in error.errors(include_input=False)))
    sys.exit(main(settings))
