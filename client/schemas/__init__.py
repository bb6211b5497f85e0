"""The bodies and answers of the API, an area each; here what all areas share."""

from api.schemas import *
