"""Projects: apply for one, see where it stands, change its members."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from primafacie.platform.errors import InputError, PlatformError
from primafacie.platform.projects import ProjectView
from primafacie.platform.web import access, fields
from primafacie.platform.web.services import services
from primafacie.safeguards.consent import PURPOSES

blueprint = Blueprint("projects", __name__, url_prefix="/projects")
EVERYBODY = ("researcher", "reviewer", "steward", "auditor", "admin")


@blueprint.get("")
@access.role(*EVERYBODY)
def listed() -> ResponseReturnValue:
    """Projects this person may see."""
    me = access.me()
    found = services().projects.listed(me)
    return render_template("projects.html", projects=found, names=_names(found))


@blueprint.get("/new")
@access.role("researcher")
def form() -> ResponseReturnValue:
    """The application form."""
    return render_template("project_new.html", given={}, error="")


@blueprint.post("/new")
@access.role("researcher")
def apply() -> ResponseReturnValue:
    """Send the application; a reviewer who is not part of it decides."""
    me = access.me()
    try:
        view = services().projects.apply(
            me,
            title=fields.text("title", "Title"),
            summary=fields.text("summary", "Summary", most=4000),
            ethics_reference=fields.text("ethics_reference", "Ethics reference", most=120),
            purposes=fields.some_of("purposes", "Purposes", PURPOSES, least=1),
            principal=_person("principal", "Principal investigator", me.email),
            members=_people("members") | {me.user_id},
            starts_at=fields.day("starts_at", "First day"),
            ends_at=fields.day("ends_at", "Last day"),
        )
    except PlatformError as error:
        return render_template("project_new.html", given=request.form, error=str(error)), (
            error.status
        )
    flash("Application sent. Somebody who is not part of the project decides on it.")
    return redirect(url_for("projects.show", project_id=view.project_id))


@blueprint.get("/<project_id>")
@access.role(*EVERYBODY)
def show(project_id: str) -> ResponseReturnValue:
    """One project."""
    view = services().projects.show(access.me(), project_id)
    return render_template("project.html", project=view, names=_names([view]))


@blueprint.post("/<project_id>/decide")
@access.role("reviewer")
def decide(project_id: str) -> ResponseReturnValue:
    """Approve or reject; never one's own."""
    yes = fields.one_of("decision", "Decision", ("approve", "reject")) == "approve"
    services().projects.decide(
        access.me(), project_id, yes, note=fields.text("note", "Note", most=1000, least=0)
    )
    flash("Approved." if yes else "Rejected.")
    return redirect(url_for("projects.show", project_id=project_id))


@blueprint.post("/<project_id>/members")
@access.role("reviewer")
def members(project_id: str) -> ResponseReturnValue:
    """Replace the members."""
    services().projects.set_members(access.me(), project_id, _people("members"))
    flash("Members changed.")
    return redirect(url_for("projects.show", project_id=project_id))


@blueprint.post("/<project_id>/end")
@access.role("researcher", "reviewer", "steward", "admin")
def end(project_id: str) -> ResponseReturnValue:
    """End it before its time."""
    services().projects.end(access.me(), project_id)
    flash("The project has ended; nothing more can be asked for under it.")
    return redirect(url_for("projects.show", project_id=project_id))


def _names(projects: Iterable[ProjectView]) -> Mapping[str, str]:
    ids = {i for p in projects for i in (p.applicant, p.principal, p.decided_by, *p.members) if i}
    return services().accounts.names(ids)


def _person(field: str, label: str, default: str = "") -> str:
    email = request.form.get(field, "").strip() or default
    found = services().accounts.by_email(email)
    if found is None:
        raise InputError(f"{label}: there is no account {email!r}.")
    return found.user_id


def _people(field: str) -> set[str]:
    emails = request.form.get(field, "").replace(",", " ").replace(";", " ").split()
    if len(emails) > 100:
        raise InputError("Members: at most 100.")
    found = {email: services().accounts.by_email(email) for email in emails}
    missing = sorted(email for email, account in found.items() if account is None)
    if missing:
        raise InputError(f"Members: there is no account {', '.join(missing)}.")
    return {account.user_id for account in found.values() if account is not None}
