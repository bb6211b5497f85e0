"""`./run bot-key`: a new key for the bot of a platform."""

from api.secrets import SecretsUnusable, renew_bot_key
from cli.errors import CommandRefused
from cli.running_api import NoApiRuns, call_api
from cli.settings import BadSetting, LaunchSettings, load
from client import calls
from client.schemas import Platform


def renew(platform: Platform) -> bool:
    """Make the key; return whether a running api knows it. Raises `CommandRefused`,
    `BadSetting`."""
    launch = load(LaunchSettings)
    if launch.key_of_bot(platform) is not None:
        raise CommandRefused(
            f"{platform.upper()}_BOT_KEY is set: put a new key there, then restart the api and the "
            "bot. The key before works on until the next new one."
        )
    try:
        renew_bot_key(launch.data_dir, platform)
    except SecretsUnusable as error:
        raise BadSetting(f"DATA_DIR: {error}") from error
    try:
        call_api(launch, calls.adopt_bot_keys())
    except NoApiRuns:
        return False
    return True
