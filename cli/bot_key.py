"""`./run bot-key`: a new key for the bot of a platform."""

from api.secrets import SecretsUnusable, renew_bot_key
from cli.running_api import NoApiRuns, call_api
from cli.settings import BadSetting, LaunchSettings, load
from client import calls
from client.schemas import Platform


def renew(platform: Platform) -> bool:
    """Make the key; return whether a running api knows it. Raises `BadSetting`."""
    launch = load(LaunchSettings)
    try:
        renew_bot_key(launch.data_dir, platform)
    except SecretsUnusable as error:
        raise BadSetting(f"DATA_DIR: {error}") from error
    try:
        call_api(launch, calls.adopt_bot_keys())
    except NoApiRuns:
        return False
    return True
