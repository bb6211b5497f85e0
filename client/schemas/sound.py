"""The bodies and answers of `api.sound.schemas`."""

from api.sound.schemas import *
