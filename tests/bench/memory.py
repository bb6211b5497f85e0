"""Memory of the api and of its decoders over thousands of jobs and all odd files, by
`python -m tests.bench.memory [--jobs N] [--seconds S] [--side PIXELS]`.

The api is a real process; the sandbox answers at once. Ten thousand, without waiting for a disk:
`TMPDIR=/dev/shm python -m tests.bench.memory --jobs 10000 --seconds 3000 --side 256`.
 Each picture takes the whole way of a model's: decoded, checked, stored, made smaller. Ends with 1
when the api is above the aim.
"""

import argparse
import asyncio
import base64
import io
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import cycle
from pathlib import Path

import httpx
from PIL import Image

from api.secrets import ensure_secrets
from sandbox import chat
from sandbox.faults import Fault
from tests.bench import programs
from tests.bench.measured import Measured
from tests.bench.start import bot_settings
from tests.e2e.people import person_on
from tests.processes import children, wait_gone
from tests.sandbox_server import Sandbox, sandbox_server
from tests.stack import free_ports, get

WHOLE = "the whole product"
AIM_MB, API_IDLE_MB, IDLE_MB = 250, 150, 400
PASSWORD = "correct horse battery staple"
CASES = Path(__file__).parents[1] / "cases"
AT_ONCE = 4
PICTURES = 40
VIDEO_LOOKS = 300
MARKS = (100, 500, 1_000, 2_000, 3_000, 5_000, 7_500, 10_000)
"""Numbers of images after which the memory is looked at."""
SIDE = 1024


def memory(pid: int) -> dict[str, float]:
    """Return the resident megabytes of a process and of each of its children, by id."""
    found = {}
    for each in [pid, *sorted(children(pid))]:
        try:
            pages = int(Path(f"/proc/{each}/statm").read_text().split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
        found[str(each)] = pages * os.sysconf("SC_PAGESIZE") / 1_000_000
    return found


def shown(pid: int) -> str:
    _, *decoders = memory(pid).values()
    own, once = programs.memory([pid]), programs.memory([pid], "Pss")
    others = ", ".join(f"{each:.0f}" for each in decoders) or "-"
    return f"api {own:6.1f} MB ({once:.1f} MB Pss), decoders {others} MB"


@contextmanager
def api_process(folder: Path, sandbox: Sandbox) -> Iterator[tuple[int, str]]:
    """Yield the id and the address of an api."""
    (port,) = free_ports(1)
    env = {
        **{name: value for name, value in os.environ.items() if not name.startswith("API_")},
        "PYTHONPATH": str(Path.cwd()),
        "DATA_DIR": str(folder),
        "API_PORT": str(port),
        "OPENROUTER_BASE_URL": sandbox.url,
        "DRAIN_SECONDS": "0",
        "DEFAULT_MONTHLY_USD": "1000000",
    }
    url, began = f"http://127.0.0.1:{port}", time.perf_counter()
    with (folder / "api.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "cli.process", "api"],
            env=env, stdout=log, stderr=log, cwd=folder,
        )  # fmt: skip
        try:
            while (answer := get(f"{url}/readyz")) is None or answer[0] != 200:
                if process.poll() is not None:
                    raise SystemExit((folder / "api.log").read_text()[-4000:])
                time.sleep(0.02)
            print(f"ready after {time.perf_counter() - began:.2f} s: {shown(process.pid)}")
            yield process.pid, url
        finally:
            children = [int(pid) for pid in memory(process.pid)][1:]
            process.terminate()
            process.wait(20)
            for pid in children:
                assert wait_gone(pid, 5), f"decoder {pid} is left behind"


def pictures(side: int = SIDE) -> list[bytes]:
    """Return PNG files as a model makes them: noise over a slope, of 1 to 2 MB at full size."""
    found = []
    for number in range(PICTURES):
        chance = random.Random(number)
        slope = Image.radial_gradient("L").resize((side, side)).convert("RGB")
        half = side // 2
        grain = Image.frombytes("RGB", (half, half), chance.randbytes(half * half * 3))
        made = Image.blend(slope, grain.resize((side, side)), 0.05)
        out = io.BytesIO()
        made.save(out, "PNG", compress_level=3)
        found.append(out.getvalue())
    return found


def draw(made: list[bytes]) -> None:
    """Let the sandbox answer with these pictures, in turn."""
    turn = cycle(made)
    setattr(chat, "drawn", lambda *_, **__: next(turn))  # noqa: B010


async def admin(url: str, folder: Path) -> httpx.AsyncClient:
    client = httpx.AsyncClient(base_url=url, timeout=300, trust_env=False)
    token = ensure_secrets(folder).setup_token
    body = {"token": token, "email": "admin@example.org", "password": PASSWORD}
    (await client.post("/auth/setup", json=body)).raise_for_status()
    return client


async def sign_in(client: httpx.AsyncClient) -> None:
    body = {"email": "admin@example.org", "password": PASSWORD}
    answer = (await client.post("/auth/login", json=body)).raise_for_status()
    client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"


async def make(client: httpx.AsyncClient, pid: int, jobs: int, seconds: float) -> int:
    """Make images until `jobs` are done or the time is over, and return their number."""
    began, taken, left = time.perf_counter(), list[float](), list(range(jobs))

    async def one_after_another() -> None:
        while left and time.perf_counter() - began < seconds:
            left.pop()
            asked = time.perf_counter()
            answer = await client.post("/generate/image", json={"prompt": "a fox"})
            if answer.status_code == 401:
                await sign_in(client)
                continue
            assert answer.status_code == 200, answer.text
            taken.append(time.perf_counter() - asked)
            if len(taken) in MARKS:
                print(f"{len(taken):6} images: {shown(pid)}", flush=True)

    await asyncio.gather(*(one_after_another() for _ in range(AT_ONCE)))
    spent = time.perf_counter() - began
    print(f"{len(taken):6} images in {spent:.0f} s, {len(taken) / spent:.1f}/s: {shown(pid)}")
    return len(taken)


async def latency(client: httpx.AsyncClient, number: int = 40) -> None:
    taken = []
    for _ in range(number):
        asked = time.perf_counter()
        (await client.post("/generate/image", json={"prompt": "a fox"})).raise_for_status()
        taken.append((time.perf_counter() - asked) * 1000)
    print(
        f"one image alone: {statistics.median(taken):.0f} ms in the middle, {max(taken):.0f} most"
    )


def large() -> dict[str, bytes]:
    """Return photos near the limits, and bombs."""
    found = {}
    photo = Image.radial_gradient("L").resize((12_000, 9_000)).convert("RGB")
    for kind in ("JPEG", "PNG", "WEBP"):
        out = io.BytesIO()
        photo.save(out, kind, compress_level=1)
        found[f"108 MP {kind}"] = out.getvalue()
    out = io.BytesIO()
    Image.new("1", (60_000, 60_000)).save(out, "PNG")
    found["bomb of 3,600 MP"] = out.getvalue()
    return found


async def odd_picture(client: httpx.AsyncClient, name: str, data: bytes) -> str:
    """Send the file as a user's and as a model's picture, and return what was answered."""
    draw([data])
    for _ in range(3):
        sent = await client.post("/uploads", files={"file": (name, data)})
        made = await client.post("/generate/image", json={"prompt": name})
    return f"upload {sent.status_code}, image {made.status_code}"


async def odd_video(client: httpx.AsyncClient, sandbox: Sandbox, name: str, data: bytes) -> str:
    value = f"data:video/mp4;base64,{base64.b64encode(data).decode()}"
    sandbox.break_with(Fault(call="videos.content", kind="instead", status=200, value=value))
    body = {"prompt": name, "confirm": True}
    asked = (await client.post("/generate/video", json=body)).raise_for_status().json()
    for _ in range(VIDEO_LOOKS):
        found = (await client.get(f"/generations/{asked['id']}")).raise_for_status().json()
        if found["status"] in {"completed", "failed"}:
            break
        await asyncio.sleep(0.1)
    return str(found["status"])


async def odd_files(client: httpx.AsyncClient, pid: int, sandbox: Sandbox) -> None:
    files = {
        str(path.relative_to(CASES)): path.read_bytes()
        for path in sorted(CASES.glob("*/*.*"))
        if path.suffix not in {".md", ".json", ".sse"}
    }
    for name, data in {**files, **large()}.items():
        await sign_in(client)
        if Path(name).suffix in {".mp4", ".mkv", ".webm"}:
            answer = await odd_video(client, sandbox, name, data)
        else:
            answer = await odd_picture(client, name, data)
        print(f"{name:35} {answer:28} {shown(pid)}", flush=True)


async def measure(
    pid: int, url: str, folder: Path, sandbox: Sandbox, asked: argparse.Namespace
) -> float:
    client = await admin(url, folder)
    await sign_in(client)
    draw(pictures(asked.side))
    await latency(client)
    await make(client, pid, asked.jobs, asked.seconds)
    await odd_files(client, pid, sandbox)
    await client.aclose()
    await asyncio.sleep(2)
    print(f"in the end: {shown(pid)}")
    return next(iter(memory(pid).values()))


async def bench(into: Measured) -> None:
    """Idle: every process that `./run` starts with both bots, some seconds after it is ready. At
    work: the api alone, after so many images as there was time for, with its database and its
    caches, without its decoders. The megabytes are resident ones, as `ps` says. They count a file
    that five processes share five times; a machine or a container pays for it once, as the other
    column does. "Others" are
    the supervisor and the processes' own.
    """
    with tempfile.TemporaryDirectory(prefix="memory-") as name:
        await asyncio.to_thread(_idle, into, Path(name))
    with (
        tempfile.TemporaryDirectory() as name,
        sandbox_server() as sandbox,
        api_process(Path(name), sandbox) as (pid, url),
    ):
        client = await admin(url, Path(name))
        await sign_in(client)
        draw(pictures())
        number = await make(client, pid, 100_000, 10 if into.quick else 40)
        await client.aclose()
        into.parameter("images", number)
        into.add("api", "after the images", programs.memory([pid]), "MB", at_most=AIM_MB)


def _idle(into: Measured, folder: Path) -> None:
    with ExitStack() as opened:
        ports = dict(zip(("API_PORT", "WEB_PORT", "SANDBOX_PORT"), free_ports(3), strict=True))
        env = {"DATA_DIR": str(folder / "data")} | {name: str(at) for name, at in ports.items()}
        for platform in ("telegram", "discord"):
            env |= bot_settings(opened.enter_context(person_on(platform)))
        command = programs.python("cli.supervisor")
        product = opened.enter_context(programs.running("product", command, folder, env))
        for path in (f"{ports['WEB_PORT']}/healthz", f"{ports['API_PORT']}/readyz"):
            product.wait_for(f"http://127.0.0.1:{path}")
        time.sleep(5 if into.quick else 15)
        own: dict[str, list[int]] = {}
        for pid in product.pids:
            words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
            known = "cli.process" in words
            own.setdefault(words[words.index("cli.process") + 1] if known else "others", []).append(
                pid
            )
        for of, pids in {WHOLE: product.pids, **own}.items():
            most = API_IDLE_MB if of == "api" else None
            into.add(of, "idle", programs.memory(pids), "MB", at_most=most)
            most = IDLE_MB if of == WHOLE else None
            once = programs.memory(pids, "Pss")
            into.add(of, "idle, shared counted once", once, "MB", at_most=most)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=480.0)
    parser.add_argument("--side", type=int, default=SIDE)
    asked = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        sandbox_server() as sandbox,
        api_process(Path(folder), sandbox) as (pid, url),
    ):
        found = asyncio.run(measure(pid, url, Path(folder), sandbox, asked))
    return int(found > AIM_MB)


if __name__ == "__main__":
    sys.exit(main())
