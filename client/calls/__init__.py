"""Every call of the API, under one name: `calls.image(...)`. A module holds those of an area."""

from client.calls.account import *
from client.calls.accounts import *
from client.calls.deliveries import *
from client.calls.gallery import *
from client.calls.links import *
from client.calls.making import *
from client.calls.models import *
from client.calls.operating import *
from client.calls.shell import *
from client.calls.text import *
