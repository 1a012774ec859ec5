"""People: the gate's view of who asks, over SQL. Read at every call, never cached."""

from __future__ import annotations

from primafacie.platform.accounts import Accounts
from primafacie.platform.projects import Projects
from primafacie.platform.requests import Requests
from primafacie.safeguards.request import Project, Requester


class People:
    """Accounts and projects as facts."""

    def __init__(self, accounts: Accounts, projects: Projects, requests: Requests) -> None:
        self._accounts, self._projects, self._requests = accounts, projects, requests

    def requester(self, user_id: str) -> Requester | None:
        """The person, or None. A closed account is nobody."""
        account = self._accounts.find(user_id)
        if account is None or not account.active:
            return None
        return Requester(
            user_id=user_id,
            roles=account.roles,
            approved=self._accounts.access_stands(account),
            used_today=self._requests.used_today(user_id),
            daily_quota=account.daily_quota,
        )

    def project(self, project_id: str) -> Project | None:
        """The project, or None."""
        return self._projects.fact(project_id)
