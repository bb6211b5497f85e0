"""Every sentence that a chat shows.

Functions take facts and return words in the spoken language; nothing here decides anything. One
namespace: callers write `texts.caption(made)`, wherever the sentence stands.
"""

from bots.core.texts.ask import *  # noqa: F403
from bots.core.texts.deliveries import *  # noqa: F403
from bots.core.texts.errors import *  # noqa: F403
from bots.core.texts.find import *  # noqa: F403
from bots.core.texts.jobs import *  # noqa: F403
from bots.core.texts.links import *  # noqa: F403
from bots.core.texts.places import *  # noqa: F403
from bots.core.texts.preferences import *  # noqa: F403
from bots.core.texts.screen import *  # noqa: F403
from bots.core.texts.voices import *  # noqa: F403
from bots.core.texts.words import *  # noqa: F403
