"""The api over HTTP: one method per endpoint, answers as the api's own schema types."""

from admin_web.api_accounts import AccountCalls
from admin_web.api_admin import AdminCalls
from admin_web.api_gallery import GalleryCalls
from admin_web.api_making import MakingCalls
from admin_web.api_operator import OperatorCalls


class ApiClient(AccountCalls, AdminCalls, GalleryCalls, MakingCalls, OperatorCalls):
    """Everything that the pages ask, by area in the mixed-in calls."""
