"""The script in the manual runs as printed."""

import os
import re
import subprocess
import sys
from pathlib import Path

import httpx
from PIL import Image

from tests.stack import ROOT, running_stack

EMAIL, PASSWORD = "ana@example.org", "correct horse battery staple"


def test_the_script_of_the_manual_makes_a_picture(tmp_path: Path) -> None:
    page = (ROOT / "docs/using/programs.md").read_text(encoding="utf-8")
    found = re.search(r"```python\n(.*?)```", page, re.DOTALL)
    assert found is not None
    with running_stack(without=frozenset({"web"}), extra_env={"WEB_SIGNUP": "open"}) as stack:
        body = {"email": EMAIL, "password": PASSWORD}
        httpx.post(f"{stack.api_url}/auth/register", json=body).raise_for_status()
        script = found[1].replace("http://127.0.0.1:8000", stack.api_url)
        assert stack.api_url in script
        (tmp_path / "picture.py").write_text(script, encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "picture.py", "a", "fox", "in", "snow"],
            cwd=tmp_path,
            env={**os.environ, "EMAIL": EMAIL, "PASSWORD": PASSWORD, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"\d+\.\d+\n", done.stdout)
    with Image.open(tmp_path / "picture.png") as picture:
        assert picture.size > (0, 0)
