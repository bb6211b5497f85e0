"""Every call of the API, under one name: `calls.image(...)`. A module holds those of an area."""

from client.calls.admin_accounts import *
from client.calls.admin_studio import *
from client.calls.batch import *
from client.calls.bot_processes import *
from client.calls.deliveries import *
from client.calls.gallery import *
from client.calls.joining import *
from client.calls.links import *
from client.calls.making import *
from client.calls.models import *
from client.calls.own_account import *
from client.calls.places import *
from client.calls.shell import *
from client.calls.sound import *
from client.calls.text import *
