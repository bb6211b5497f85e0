"""The api over HTTP: one method per endpoint, answers as the api's own schema types."""

from client.calls.account import AccountCalls
from client.calls.accounts import AdminCalls
from client.calls.gallery import GalleryCalls
from client.calls.making import MakingCalls
from client.calls.operating import OperatorCalls


class ApiClient(AccountCalls, AdminCalls, GalleryCalls, MakingCalls, OperatorCalls):
    """Everything that the pages ask, by area in the mixed-in calls."""
