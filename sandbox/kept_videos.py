"""Videos that nobody has fetched yet, a file each: a real provider goes on with them while the
product is stopped, so the sandbox goes on with them at its next start."""

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

DAY = 86_400.0


class KeptVideos:
    """`folder` None: nothing is kept, nor where it cannot be written."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def keep(self, video_id: str, about: dict[str, Any]) -> None:
        if self._folder is None:
            return
        with suppress(OSError):  # a container whose disk is read-only
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            part = self._folder / f"{video_id}.part"
            part.write_text(json.dumps(about))
            part.replace(self._folder / f"{video_id}.json")

    def forget(self, video_id: str) -> None:
        if self._folder is not None:
            (self._folder / f"{video_id}.json").unlink(missing_ok=True)

    def of_last_day(self) -> Iterator[dict[str, Any]]:
        """Yield them, and delete older ones: whoever asked has given up."""
        if self._folder is None:
            return
        for file in sorted(self._folder.glob("*.json")):
            if file.stat().st_mtime < time.time() - DAY:
                file.unlink()
            else:
                yield json.loads(file.read_text())
