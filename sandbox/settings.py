"""Settings of the sandbox: `SANDBOX_*` of the environment or `.env`."""

from pathlib import Path
from typing import Annotated

from pydantic import AliasChoices, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from sandbox.faults import Fault, Timing

Seconds = Annotated[float, Field(ge=0, le=3600)]


class SandboxSettings(BaseSettings):
    """`SANDBOX_FAULTS` is a JSON list of `Fault`."""

    model_config = SettingsConfigDict(
        env_prefix="SANDBOX_",
        env_file=".env",
        extra="ignore",
        env_ignore_empty=True,
        populate_by_name=True,
    )

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8010
    """0: any free port."""
    first_token_seconds: Seconds = 0.35
    token_seconds: Seconds = 0.02
    image_seconds: Seconds = 1.5
    video_seconds: Seconds = 6.0
    faults: list[Fault] = []
    data_dir: Annotated[Path, Field(validation_alias="DATA_DIR")] = Path("data")
    webhook_secret: SecretStr | None = Field(
        default=None,
        validation_alias=AliasChoices(
            "OPENROUTER_WEBHOOK_SECRET", "openrouter_webhook_secret", "webhook_secret"
        ),
    )

    def timing(self) -> Timing:
        return Timing(
            first_token=self.first_token_seconds,
            token=self.token_seconds,
            image=self.image_seconds,
            video=self.video_seconds,
        )
