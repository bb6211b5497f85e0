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
    own = launch.key_of_bot(platform) is not None
    if own or launch.bot_key is not None:
        raise CommandRefused(
            f"{f'{platform.upper()}_BOT_KEY' if own else 'BOT_KEY'} is set: put a new key there, "
            "then restart the api and the bot. The key before works on until the next new one."
        )
    try:
        renew_bot_key(launch.data_dir, platform)
    except SecretsUnusable as error:
        raise BadSetting(f"DATA_DIR: {error}") from error
    return _adopted(launch)


def shut_out(platform: Platform) -> None:
    """Make two new keys, which a running api takes one after the other: it knows two at a time, so
    a leaked one is good no longer. Raises `CommandRefused`, `BadSetting`."""
    launch = load(LaunchSettings)
    renewed = _adopted(launch) and renew(platform) and renew(platform)
    if not renewed:
        raise CommandRefused(
            "No api of this installation runs here, and only a running one shuts a leaked key out. "
            f"Start it, then rotate bot_key_{platform} again. Until then the leaked key works."
        )


def _adopted(launch: LaunchSettings) -> bool:
    """Tell whether a running api knows the keys in our file, and let it know them."""
    try:
        call_api(launch, calls.adopt_bot_keys())
    except NoApiRuns:
        return False
    return True
