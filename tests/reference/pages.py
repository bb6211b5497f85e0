"""Every generated page of `docs/reference/`."""

import json
from pathlib import Path
from typing import Any

from api.app import create_app
from api.settings import Settings
from tests.reference import commands, errors, monitoring, run_commands, settings

FOLDER = Path(__file__).parents[2] / "docs" / "reference"


def description() -> dict[str, Any]:
    """Return the API's description, whatever the settings of this machine."""
    return create_app(Settings.model_construct()).openapi()


def pages() -> dict[str, str]:
    """Return the pages by file name."""
    schema = description()
    return {
        "commands.md": commands.page(),
        "errors.md": errors.page(schema),
        "monitoring.md": monitoring.page(),
        "openapi.json": json.dumps(schema, indent=1, ensure_ascii=False) + "\n",
        "run.md": run_commands.page(),
        "settings.md": settings.page(),
    }
