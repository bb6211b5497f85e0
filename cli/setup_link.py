"""`./run setup-link`: the address at which the first admin is made."""

from cli.ready import HostPort
from cli.settings import LaunchSettings, load, secrets_of


def setup_link() -> str:
    """Raises `BadSetting`."""
    launch = load(LaunchSettings)
    web = launch.public_url or HostPort(launch.web_host, launch.web_port).url
    return f"{web}/setup?token={secrets_of(launch).setup_token}"
