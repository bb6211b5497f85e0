"""The gateways that are compared: each a running program on the core under test, and the questions
that it is asked."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from api.secrets import ensure_secrets
from tests.bench import competitors, programs, upstream
from tests.bench.load import Question
from tests.bench.programs import Program, python, running
from tests.bench.text import people
from tests.stack import free_ports

MODEL = "google/gemini-2.5-flash"
PROMPT = "Why is the sky blue?"
KEY = "sk-bench-0123456789"
OPENAI = "/v1/chat/completions"


@dataclass(frozen=True)
class Gateway:
    """A gateway that answers. `whole` and `streamed` are questions in turn, from one user each."""

    name: str
    port: int
    whole: Sequence[Question]
    streamed: Sequence[Question]
    pids: Callable[[], Sequence[int]]
    """Return the processes whose time and memory are the gateway's."""
    database: Callable[[], Sequence[int]] = tuple
    """Return those of its database, which run on the other cores."""


def request(port: int, path: str, headers: Mapping[str, str], body: object) -> Question:
    data = json.dumps(body).encode()
    lines = [f"POST {path} HTTP/1.1", f"host: 127.0.0.1:{port}", "content-type: application/json"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    head = "\r\n".join([*lines, f"content-length: {len(data)}", "", ""])
    return Question(head.encode() + data, upstream.FIRST, upstream.LAST)


def openai(name: str, program: Program, port: int, path: str, **headers: str) -> Gateway:
    """Return a gateway that speaks OpenAI's form."""
    sent = {"authorization": f"Bearer {KEY}", **headers}

    def asked(prompt: str, *, stream: bool) -> list[Question]:
        body = {"model": MODEL, "messages": [{"role": "user", "content": prompt}]}
        return [request(port, path, sent, body | {"stream": stream})]

    return Gateway(
        name,
        port,
        asked(PROMPT, stream=False),
        asked(f"{PROMPT} Say it {upstream.PACED}.", stream=True),
        lambda: program.pids,
    )


@contextmanager
def no_gateway(folder: Path, sandbox: str) -> Iterator[Gateway]:
    """Run the provider, and ask it without any gateway: the most that the load can do."""
    (port,) = free_ports(1)
    command = python("tests.bench.upstream", str(port), sandbox)
    with running("provider", command, folder, {}, cores=programs.OTHERS) as program:
        program.wait_for(f"http://127.0.0.1:{port}/api/v1/models")
        yield openai("no gateway", program, port, "/api/v1/chat/completions")


@contextmanager
def bare_proxy(folder: Path, provider: str) -> Iterator[Gateway]:
    (port,) = free_ports(1)
    command = python("tests.bench.bare_proxy", str(port), provider, KEY)
    with running("bare", command, folder, {}, cores=programs.UNDER_TEST) as program:
        program.wait_for(f"http://127.0.0.1:{port}/ready")
        yield openai("a bare proxy", program, port, OPENAI)


@contextmanager
def litellm(folder: Path, provider: str) -> Iterator[Gateway]:
    """Raises `NotHere`."""
    (port,) = free_ports(1)
    params = {"model": f"openai/{MODEL}", "api_base": provider, "api_key": "sk-or-bench"}
    settings = {
        "model_list": [{"model_name": MODEL, "litellm_params": params}],
        "general_settings": {"master_key": KEY},
    }
    (folder / "litellm.yaml").write_text(json.dumps(settings))
    command = [*competitors.litellm(), "--config", "litellm.yaml", "--port", str(port)]
    # as its guide for production says; prices are those that come with it
    env = {"LITELLM_MODE": "PRODUCTION", "LITELLM_LOG": "ERROR", "PYTHONPATH": ""}
    env |= {"LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    with running("litellm", command, folder, env, cores=programs.UNDER_TEST) as program:
        program.wait_for(f"http://127.0.0.1:{port}/health/liveliness")
        yield openai(f"LiteLLM {competitors.LITELLM}", program, port, OPENAI)


@contextmanager
def portkey(folder: Path, provider: str) -> Iterator[Gateway]:
    """Raises `NotHere`."""
    (port,) = free_ports(1)
    command = [*competitors.portkey(), f"--port={port}", "--headless"]
    env = {"NODE_ENV": "production"}
    headers = {"x-portkey-provider": "openai", "x-portkey-custom-host": provider}
    with running("portkey", command, folder, env, cores=programs.UNDER_TEST) as program:
        program.wait_for(f"http://127.0.0.1:{port}/")
        yield openai(f"Portkey {competitors.PORTKEY}", program, port, OPENAI, **headers)


@contextmanager
def ours(
    name: str, folder: Path, provider: str, env: Mapping[str, str], database: int | None = None
) -> Iterator[Gateway]:
    """Run the api as an operator would; `database` is the process of the database server."""
    (port,) = free_ports(1)
    data = folder / f"data-{port}"
    settings = {
        "DATA_DIR": str(data),
        "API_PORT": str(port),
        "OPENROUTER_BASE_URL": provider,
        "DRAIN_SECONDS": "0",
        "DEFAULT_MONTHLY_USD": "1000000",
        "WEB_SIGNUP": "open",
    }
    command = python("cli.process", "api")
    cores = programs.UNDER_TEST
    with running(name, command, folder, settings | dict(env), cores=cores) as program:
        url = f"http://127.0.0.1:{port}"
        program.wait_for(f"{url}/readyz")
        tokens = people(url, ensure_secrets(data).setup_token)

        def asked(prompt: str, *, stream: bool) -> list[Question]:
            body = {"prompt": prompt, "model": MODEL, "stream": stream}
            return [
                request(port, "/generate/text", {"authorization": f"Bearer {token}"}, body)
                for token in tokens
            ]

        yield Gateway(
            name,
            port,
            asked(PROMPT, stream=False),
            asked(f"{PROMPT} Say it {upstream.PACED}.", stream=True),
            lambda: program.pids,
            lambda: programs.family(database) if database else [],
        )
