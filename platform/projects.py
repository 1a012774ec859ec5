"""Projects: what people generate for. Applied for by one, approved by another, ending by itself.

The person who approves is never the applicant, the principal investigator or a member.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from primafacie.audit.entry import Kind, Outcome
from primafacie.platform.accounts import Account
from primafacie.platform.errors import AccessError, ConflictError, InputError, NotFoundError
from primafacie.platform.four_eyes import require_apart
from primafacie.platform.journal import Journal
from primafacie.platform.tables import project_approvals, project_members, projects, users
from primafacie.safeguards.consent import PURPOSES
from primafacie.safeguards.request import Project

LONGEST: Final = timedelta(days=3 * 366)
STATES: Final = ("applied", "approved", "rejected", "ended")
_OVERSEERS: Final = ("reviewer", "steward", "auditor", "admin")


@dataclass(frozen=True, slots=True)
class ProjectView:
    """A project as people see it. in_force: approved, started, not over."""

    project_id: str
    title: str
    summary: str
    ethics_reference: str
    purposes: frozenset[str]
    applicant: str
    principal: str
    members: frozenset[str]
    state: str
    starts_at: datetime
    ends_at: datetime
    created_at: datetime
    decided_by: str
    decided_at: datetime | None
    note: str
    in_force: bool

    @property
    def people(self) -> frozenset[str]:
        """Everybody who stands to gain from it."""
        return self.members | {self.applicant, self.principal}


class Projects:
    """The projects of one installation."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def apply(
        self,
        actor: Account,
        *,
        title: str,
        summary: str,
        ethics_reference: str,
        purposes: Iterable[str],
        principal: str,
        members: Iterable[str],
        starts_at: datetime,
        ends_at: datetime,
    ) -> ProjectView:
        """Apply for a project; it allows nothing until somebody else approves it."""
        actor.require("researcher")
        chosen = sorted(set(purposes))
        if not chosen or not set(chosen) <= set(PURPOSES):
            raise InputError(f"purposes are among {', '.join(PURPOSES)}")
        if not 3 <= len(title.strip()) <= 200 or not 20 <= len(summary.strip()) <= 5000:
            raise InputError("a title has 3 to 200 characters, a summary 20 to 5000")
        if not 1 <= len(ethics_reference.strip()) <= 120:
            raise InputError("name the ethics decision, in 1 to 120 characters")
        if not starts_at < ends_at <= starts_at + LONGEST:
            raise InputError("a project ends after it starts, within three years")
        project_id = uuid.uuid4().hex
        row = {
            "id": project_id,
            "title": title.strip(),
            "summary": summary.strip(),
            "ethics_reference": ethics_reference.strip(),
            "purposes": chosen,
            "applicant": actor.user_id,
            "principal": principal,
            "state": "applied",
            "starts_at": starts_at,
            "ends_at": ends_at,
            "created_at": self._journal.clock(),
        }
        with self._journal.writing() as tx:
            team = frozenset(members) | {principal}
            _check_people(tx, team)
            tx.execute(projects.insert().values(row))
            _set_members(tx, project_id, team)
            self._log(tx, Kind.PROJECT_CREATED, actor, project_id)
        return self.get(project_id)

    def decide(self, actor: Account, project_id: str, approve: bool, note: str = "") -> ProjectView:
        """Approve or reject an application, as a second person.

        Raises AccessError for anybody who has a part in it, ConflictError when it was decided.
        """
        actor.require("reviewer")
        with self._journal.writing() as tx:
            view = self._view(tx, project_id)
            self._second_person(tx, actor, view)
            if view.state != "applied":
                raise ConflictError(f"the project is {view.state} already")
            state = "approved" if approve else "rejected"
            tx.execute(projects.update().where(projects.c.id == project_id).values(state=state))
            tx.execute(
                project_approvals.insert().values(
                    project_id=project_id,
                    reviewer=actor.user_id,
                    approved=approve,
                    note=note[:5000],
                    at=self._journal.clock(),
                )
            )
            kind = Kind.PROJECT_APPROVED if approve else Kind.PROJECT_REJECTED
            out = Outcome.ALLOW if approve else Outcome.DENY
            self._log(tx, kind, actor, project_id, out=out, payload={"note": note[:5000]})
        return self.get(project_id)

    def set_members(self, actor: Account, project_id: str, members: Iterable[str]) -> ProjectView:
        """Give the project exactly these members; by a reviewer without a part in it."""
        actor.require("reviewer")
        team = frozenset(members)
        with self._journal.writing() as tx:
            view = self._view(tx, project_id)
            self._second_person(tx, actor, view)
            if actor.user_id in team:
                raise AccessError("nobody makes himself a member")
            team |= {view.principal}
            _check_people(tx, team)
            tx.execute(project_members.delete().where(project_members.c.project_id == project_id))
            _set_members(tx, project_id, team)
            self._log(tx, Kind.PROJECT_CHANGED, actor, project_id, why=("members",))
        return self.get(project_id)

    def end(self, actor: Account, project_id: str) -> ProjectView:
        """End it now: by its applicant or principal, a reviewer or an admin."""
        with self._journal.writing() as tx:
            view = self._view(tx, project_id)
            if actor.user_id not in (view.applicant, view.principal):
                actor.require("reviewer", "admin")
            if view.state not in ("applied", "approved"):
                raise ConflictError(f"the project is {view.state} already")
            tx.execute(projects.update().where(projects.c.id == project_id).values(state="ended"))
            self._log(tx, Kind.PROJECT_CLOSED, actor, project_id)
        return self.get(project_id)

    def get(self, project_id: str) -> ProjectView:
        """The project, whoever asks; for other stores. Raises NotFoundError."""
        with self._journal.database.read() as tx:
            return self._view(tx, project_id)

    def show(self, actor: Account, project_id: str) -> ProjectView:
        """The project, for those in it and those who oversee."""
        view = self.get(project_id)
        if actor.user_id not in view.people and not actor.has(*_OVERSEERS):
            raise NotFoundError("there is no such project")
        return view

    def listed(self, actor: Account, state: str | None = None) -> tuple[ProjectView, ...]:
        """Projects, newest first: one's own, or all for those who oversee."""
        chosen = sa.select(projects.c.id).order_by(projects.c.created_at.desc(), projects.c.id)
        if state is not None:
            chosen = chosen.where(projects.c.state == state)
        with self._journal.database.read() as tx:
            views = [self._view(tx, pid) for pid in tx.execute(chosen).scalars().all()]
        everything = actor.has(*_OVERSEERS)
        return tuple(v for v in views if everything or actor.user_id in v.people)

    def fact(self, project_id: str) -> Project | None:
        """The project as the policies see it, read now."""
        try:
            view = self.get(project_id)
        except NotFoundError:
            return None
        return Project(view.project_id, view.in_force, view.members, view.purposes)

    # -------------------------------------------------------------------------------------------

    def _view(self, tx: sa.Connection, project_id: str) -> ProjectView:
        row = tx.execute(sa.select(projects).where(projects.c.id == project_id)).first()
        if row is None:
            raise NotFoundError("there is no such project")
        team = sa.select(project_members.c.user_id).where(
            project_members.c.project_id == project_id
        )
        decided = tx.execute(
            sa.select(project_approvals).where(project_approvals.c.project_id == project_id)
        ).first()
        now = self._journal.clock()
        return ProjectView(
            project_id=row.id,
            title=row.title,
            summary=row.summary,
            ethics_reference=row.ethics_reference,
            purposes=frozenset(row.purposes),
            applicant=row.applicant,
            principal=row.principal,
            members=frozenset(tx.execute(team).scalars()),
            state=row.state,
            starts_at=row.starts_at,
            ends_at=row.ends_at,
            created_at=row.created_at,
            decided_by=decided.reviewer if decided else "",
            decided_at=decided.at if decided else None,
            note=decided.note if decided else "",
            in_force=row.state == "approved" and row.starts_at <= now < row.ends_at,
        )

    @staticmethod
    def _second_person(tx: sa.Connection, actor: Account, view: ProjectView) -> None:
        if actor.user_id in view.people:
            raise AccessError("a second person, without a part in the project, must decide this")
        for one in view.people:
            require_apart(tx, actor.user_id, one)

    def _log(
        self, tx: sa.Connection, kind: Kind, actor: Account, project_id: str, **more: Any
    ) -> None:
        facts = (("project", project_id),)
        self._journal.append(tx, self._journal.event(kind, actor.user_id, facts=facts, **more))


def _check_people(tx: sa.Connection, team: frozenset[str]) -> None:
    known = sa.select(users.c.id).where(users.c.id.in_(team), users.c.active)
    missing = team - set(tx.execute(known).scalars())
    if missing:
        raise InputError("a member has no active account")


def _set_members(tx: sa.Connection, project_id: str, team: frozenset[str]) -> None:
    tx.execute(
        project_members.insert(), [{"project_id": project_id, "user_id": one} for one in team]
    )
