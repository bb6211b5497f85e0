"""`python -m sandbox`: a local server that speaks OpenRouter's HTTP API and makes real files,
without a key and without cost."""

import sys

from pydantic import ValidationError

from sandbox.app import create_app
from sandbox.server import server
from sandbox.settings import SandboxSettings


def main(settings: SandboxSettings) -> None:
    secret = settings.webhook_secret
    app = create_app(
        settings.timing(),
        settings.faults,
        secret.get_secret_value() if secret else None,
        settings.data_dir / "sandbox",
    )
    server(app, settings.port, settings.host).run()


def _settings() -> SandboxSettings:
    try:
        return SandboxSettings()
    except ValidationError as error:
        first = error.errors()[0]
        name = "_".join(str(part) for part in first["loc"]).upper()
        sys.exit(f"{name if name.startswith('OPENROUTER') else f'SANDBOX_{name}'}: {first['msg']}")


if __name__ == "__main__":
    main(_settings())
