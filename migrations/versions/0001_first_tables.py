"""The first tables: the log's, with the triggers that keep them append-only, and the platform's."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Text
from sqlalchemy.dialects import postgresql

from primafacie.audit.tables import append_only_ddl, drop_append_only_ddl

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_JSON = sa.JSON().with_variant(postgresql.JSONB(astext_type=Text()), "postgresql")
_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


_ENDS = (
    "kind IN ('decision.refused', 'output.released', 'output.withheld', 'request.aborted', "
    "'request.cancelled', 'request.failed')"
)


def upgrade() -> None:
    """Make every table, then the guards of the log's."""
    _log_tables()
    _platform_tables()
    for statement in append_only_ddl(op.get_bind().dialect.name):
        op.execute(statement)


def downgrade() -> None:
    """Remove everything. What is lost is lost: export the log first."""
    for statement in drop_append_only_ddl(op.get_bind().dialect.name):
        op.execute(statement)
    _drop_platform_tables()
    _drop_log_tables()


def _log_tables() -> None:
    op.create_table(
        "log_checkpoint",
        sa.Column("size", _NUMBER, autoincrement=False, nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("size", name=op.f("pk_log_checkpoint")),
    )
    op.create_table(
        "log_cosignature",
        sa.Column("size", _NUMBER, autoincrement=False, nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("key_id", sa.String(length=8), nullable=False),
        sa.Column("line", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("size", "name", "key_id", name=op.f("pk_log_cosignature")),
    )
    op.create_table(
        "log_fact",
        sa.Column("seq", _NUMBER, autoincrement=False, nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("value", sa.String(length=512), nullable=False),
        sa.PrimaryKeyConstraint("seq", "name", "value", name=op.f("pk_log_fact")),
    )
    op.create_index(
        "ix_log_fact_name_value_seq", "log_fact", ["name", "value", "seq"], unique=False
    )
    op.create_table(
        "log_index",
        sa.Column("seq", _NUMBER, autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("out", sa.String(length=8), nullable=False),
        sa.Column("rid", sa.String(length=64), nullable=False),
        sa.Column("actor", sa.String(length=32), nullable=False),
        sa.Column("subject", sa.String(length=32), nullable=False),
        sa.Column("at", _NUMBER, nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_log_index")),
    )
    op.create_index("ix_log_index_actor_seq", "log_index", ["actor", "seq"], unique=False)
    op.create_index("ix_log_index_at_seq", "log_index", ["at", "seq"], unique=False)
    op.create_index("ix_log_index_kind_seq", "log_index", ["kind", "seq"], unique=False)
    op.create_index("ix_log_index_rid_seq", "log_index", ["rid", "seq"], unique=False)
    op.create_index("ix_log_index_subject_seq", "log_index", ["subject", "seq"], unique=False)
    op.create_index(
        "uq_log_index_rid_outcome",
        "log_index",
        ["rid"],
        unique=True,
        sqlite_where=sa.text(_ENDS),
        postgresql_where=sa.text(_ENDS),
    )
    op.create_table(
        "log_key",
        sa.Column("key_id", sa.String(length=32), nullable=False),
        sa.Column("handle", sa.String(length=64), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.Column("made_at", _NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("key_id", name=op.f("pk_log_key")),
        sa.UniqueConstraint("handle", name=op.f("uq_log_key_handle")),
    )
    op.create_table(
        "log_leaf",
        sa.Column("seq", _NUMBER, autoincrement=False, nullable=False),
        sa.Column("at", _NUMBER, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_log_leaf")),
    )
    op.create_table(
        "log_node",
        sa.Column("id", _NUMBER, autoincrement=False, nullable=False),
        sa.Column("hash", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_log_node")),
    )
    op.create_table(
        "log_payload",
        sa.Column("seq", _NUMBER, autoincrement=False, nullable=False),
        sa.Column("key_id", sa.String(length=32), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_log_payload")),
    )
    op.create_index(op.f("ix_log_payload_key_id"), "log_payload", ["key_id"], unique=False)


def _platform_tables() -> None:
    op.create_table(
        "notices",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("language", sa.String(length=16), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_notices")),
    )
    op.create_table(
        "policy_activations",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("policy_sha256", sa.String(length=64), nullable=False),
        sa.Column("sources", _JSON, nullable=False),
        sa.Column("schema_text", sa.Text(), nullable=False),
        sa.Column("proposed_by", sa.String(length=32), nullable=False),
        sa.Column("activated_by", sa.String(length=32), nullable=True),
        sa.Column("proposed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("activated_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_policy_activations")),
    )
    op.create_index(
        op.f("ix_policy_activations_activated_at"),
        "policy_activations",
        ["activated_at"],
        unique=False,
    )
    op.create_table(
        "subjects",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("key_wrapped", sa.LargeBinary(), nullable=True),
        sa.Column("name_ct", sa.LargeBinary(), nullable=True),
        sa.Column("contact_ct", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subjects")),
    )
    op.create_table(
        "uploads",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_uploads")),
    )
    op.create_table(
        "users",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("password_hash", sa.String(length=200), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("approved_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("approved_by", sa.String(length=32), nullable=True),
        sa.Column("daily_quota", sa.Integer(), nullable=False),
        sa.Column("stamp", sa.String(length=32), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("locked_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("email", name=op.f("uq_users_email")),
    )
    op.create_table(
        "consents",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("subject_id", sa.String(length=32), nullable=False),
        sa.Column("steward", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("offer", _JSON, nullable=False),
        sa.Column("prepared", sa.LargeBinary(), nullable=True),
        sa.Column("prepared_public", sa.LargeBinary(), nullable=True),
        sa.Column("challenge", _JSON, nullable=False),
        sa.Column("witness", sa.String(length=32), nullable=True),
        sa.Column("reviewer", sa.String(length=32), nullable=True),
        sa.Column("held_by", sa.String(length=16), nullable=False),
        sa.Column("enrolment", sa.Text(), nullable=False),
        sa.Column("receipt_sha256", sa.String(length=64), nullable=True),
        sa.Column("not_after", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["steward"], ["users.id"], name=op.f("fk_consents_steward_users")),
        sa.ForeignKeyConstraint(
            ["subject_id"], ["subjects.id"], name=op.f("fk_consents_subject_id_subjects")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consents")),
        sa.UniqueConstraint("receipt_sha256", name=op.f("uq_consents_receipt_sha256")),
    )
    op.create_index(op.f("ix_consents_state"), "consents", ["state"], unique=False)
    op.create_index(op.f("ix_consents_steward"), "consents", ["steward"], unique=False)
    op.create_index(op.f("ix_consents_subject_id"), "consents", ["subject_id"], unique=False)
    op.create_table(
        "never_me",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("subject_id", sa.String(length=32), nullable=False),
        sa.Column("model", sa.String(length=160), nullable=False),
        sa.Column("frames", sa.Integer(), nullable=False),
        sa.Column("vector_ct", sa.LargeBinary(), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["subject_id"], ["subjects.id"], name=op.f("fk_never_me_subject_id_subjects")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_never_me")),
    )
    op.create_index(op.f("ix_never_me_model"), "never_me", ["model"], unique=False)
    op.create_table(
        "projects",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("ethics_reference", sa.String(length=120), nullable=False),
        sa.Column("purposes", _JSON, nullable=False),
        sa.Column("applicant", sa.String(length=32), nullable=False),
        sa.Column("principal", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "state IN ('applied','approved','rejected','ended')",
            name=op.f("ck_projects_known_state"),
        ),
        sa.ForeignKeyConstraint(
            ["applicant"], ["users.id"], name=op.f("fk_projects_applicant_users")
        ),
        sa.ForeignKeyConstraint(
            ["principal"], ["users.id"], name=op.f("fk_projects_principal_users")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_projects")),
    )
    op.create_index(op.f("ix_projects_state"), "projects", ["state"], unique=False)
    op.create_table(
        "requests",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("requester", sa.String(length=32), nullable=False),
        sa.Column("project_id", sa.String(length=32), nullable=False),
        sa.Column("consent_id", sa.String(length=32), nullable=False),
        sa.Column("purpose", sa.String(length=32), nullable=False),
        sa.Column("audience", sa.String(length=32), nullable=False),
        sa.Column("photo_sha256", sa.String(length=64), nullable=False),
        sa.Column("voice_sha256", sa.String(length=64), nullable=False),
        sa.Column("voice_synthetic", sa.Boolean(), nullable=False),
        sa.Column("controls", sa.Text(), nullable=False),
        sa.Column("same_key", sa.String(length=64), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("stage", sa.String(length=32), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decision_id", sa.String(length=32), nullable=False),
        sa.Column("policy_sha256", sa.String(length=64), nullable=False),
        sa.Column("reasons", _JSON, nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("kept", sa.Boolean(), nullable=False),
        sa.Column("permitted", sa.Boolean(), nullable=False),
        sa.Column("queue", sa.String(length=16), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("run_after", sa.BigInteger(), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("claim", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("lease_until", sa.BigInteger(), nullable=False),
        sa.Column("cancel", sa.Boolean(), nullable=False),
        sa.CheckConstraint(
            "state IN ('queued','running','released','refused','withheld','failed','aborted',"
            "'cancelled')",
            name=op.f("ck_requests_known_state"),
        ),
        sa.ForeignKeyConstraint(
            ["requester"], ["users.id"], name=op.f("fk_requests_requester_users")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_requests")),
        sa.UniqueConstraint("same_key", name=op.f("uq_requests_same_key")),
    )
    op.create_index(op.f("ix_requests_consent_id"), "requests", ["consent_id"], unique=False)
    op.create_index(op.f("ix_requests_photo_sha256"), "requests", ["photo_sha256"], unique=False)
    op.create_index("ix_requests_queue", "requests", ["state", "queue", "run_after"], unique=False)
    op.create_index("ix_requests_received", "requests", ["requester", "received_at"], unique=False)
    op.create_index(op.f("ix_requests_requester"), "requests", ["requester"], unique=False)
    op.create_index(op.f("ix_requests_voice_sha256"), "requests", ["voice_sha256"], unique=False)
    op.create_table(
        "subject_keys",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("subject_id", sa.String(length=32), nullable=False),
        sa.Column("public", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["subject_id"], ["subjects.id"], name=op.f("fk_subject_keys_subject_id_subjects")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subject_keys")),
    )
    op.create_index(
        op.f("ix_subject_keys_subject_id"), "subject_keys", ["subject_id"], unique=False
    )
    op.create_table(
        "tokens",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("user_id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("secret_sha256", sa.String(length=64), nullable=False),
        sa.Column("scopes", _JSON, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_tokens_user_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tokens")),
        sa.UniqueConstraint("secret_sha256", name=op.f("uq_tokens_secret_sha256")),
    )
    op.create_index(op.f("ix_tokens_user_id"), "tokens", ["user_id"], unique=False)
    op.create_table(
        "user_roles",
        sa.Column("user_id", sa.String(length=32), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.CheckConstraint(
            "role IN ('researcher','reviewer','steward','auditor','admin')",
            name=op.f("ck_user_roles_known_role"),
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_user_roles_user_id_users")
        ),
        sa.PrimaryKeyConstraint("user_id", "role", name=op.f("pk_user_roles")),
    )
    op.create_table(
        "assets",
        sa.Column("asset_number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("sound_number", sa.BigInteger(), nullable=False),
        sa.Column("rid", sa.String(length=32), nullable=False),
        sa.Column("consent_id", sa.String(length=32), nullable=False),
        sa.Column("file_sha256", sa.String(length=64), nullable=False),
        sa.Column("manifest_sha256", sa.String(length=64), nullable=False),
        sa.Column("path", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("log_index", sa.BigInteger(), nullable=False),
        sa.Column("leaf", sa.LargeBinary(), nullable=False),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("asset_uuid", sa.String(length=32), nullable=False),
        sa.Column("manifest_label", sa.String(length=200), nullable=False),
        sa.Column("milliseconds", sa.Integer(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("millifps", sa.Integer(), nullable=False),
        sa.Column("quarantined_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["consent_id"], ["consents.id"], name=op.f("fk_assets_consent_id_consents")
        ),
        sa.ForeignKeyConstraint(["rid"], ["requests.id"], name=op.f("fk_assets_rid_requests")),
        sa.PrimaryKeyConstraint("asset_number", name=op.f("pk_assets")),
        sa.UniqueConstraint("file_sha256", name=op.f("uq_assets_file_sha256")),
        sa.UniqueConstraint("rid", name=op.f("uq_assets_rid")),
    )
    op.create_index(op.f("ix_assets_consent_id"), "assets", ["consent_id"], unique=False)
    op.create_index(op.f("ix_assets_manifest_sha256"), "assets", ["manifest_sha256"], unique=False)
    op.create_index(op.f("ix_assets_sound_number"), "assets", ["sound_number"], unique=False)
    op.create_table(
        "consent_files",
        sa.Column("consent_id", sa.String(length=32), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "kind IN ('photo','voice','video','id-check','written-release','witness','provenance')",
            name=op.f("ck_consent_files_known_kind"),
        ),
        sa.ForeignKeyConstraint(
            ["consent_id"], ["consents.id"], name=op.f("fk_consent_files_consent_id_consents")
        ),
        sa.PrimaryKeyConstraint("consent_id", "sha256", "kind", name=op.f("pk_consent_files")),
    )
    op.create_table(
        "consent_links",
        sa.Column("token_sha256", sa.String(length=64), nullable=False),
        sa.Column("consent_id", sa.String(length=32), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["consent_id"], ["consents.id"], name=op.f("fk_consent_links_consent_id_consents")
        ),
        sa.PrimaryKeyConstraint("token_sha256", name=op.f("pk_consent_links")),
    )
    op.create_index(
        op.f("ix_consent_links_consent_id"), "consent_links", ["consent_id"], unique=False
    )
    op.create_table(
        "consent_moves",
        sa.Column("consent_id", sa.String(length=32), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("actor", sa.String(length=32), nullable=False),
        sa.Column("log_index", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["consent_id"], ["consents.id"], name=op.f("fk_consent_moves_consent_id_consents")
        ),
        sa.PrimaryKeyConstraint("consent_id", "epoch", name=op.f("pk_consent_moves")),
    )
    op.create_table(
        "consent_versions",
        sa.Column("consent_id", sa.String(length=32), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("envelope", sa.LargeBinary(), nullable=False),
        sa.Column("record_sha256", sa.String(length=64), nullable=False),
        sa.Column("limits", _JSON, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["consent_id"], ["consents.id"], name=op.f("fk_consent_versions_consent_id_consents")
        ),
        sa.PrimaryKeyConstraint("consent_id", "version", name=op.f("pk_consent_versions")),
    )
    op.create_index(
        op.f("ix_consent_versions_record_sha256"),
        "consent_versions",
        ["record_sha256"],
        unique=False,
    )
    op.create_table(
        "project_approvals",
        sa.Column("project_id", sa.String(length=32), nullable=False),
        sa.Column("reviewer", sa.String(length=32), nullable=False),
        sa.Column("approved", sa.Boolean(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_project_approvals_project_id_projects")
        ),
        sa.ForeignKeyConstraint(
            ["reviewer"], ["users.id"], name=op.f("fk_project_approvals_reviewer_users")
        ),
        sa.PrimaryKeyConstraint("project_id", "reviewer", name=op.f("pk_project_approvals")),
    )
    op.create_table(
        "project_members",
        sa.Column("project_id", sa.String(length=32), nullable=False),
        sa.Column("user_id", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_project_members_project_id_projects")
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_project_members_user_id_users")
        ),
        sa.PrimaryKeyConstraint("project_id", "user_id", name=op.f("pk_project_members")),
    )
    op.create_table(
        "request_entries",
        sa.Column("rid", sa.String(length=32), nullable=False),
        sa.Column("log_index", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["rid"], ["requests.id"], name=op.f("fk_request_entries_rid_requests")
        ),
        sa.PrimaryKeyConstraint("rid", "log_index", name=op.f("pk_request_entries")),
    )
    op.create_table(
        "request_stages",
        sa.Column("rid", sa.String(length=32), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("stage", sa.String(length=32), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["rid"], ["requests.id"], name=op.f("fk_request_stages_rid_requests")
        ),
        sa.PrimaryKeyConstraint("rid", "n", name=op.f("pk_request_stages")),
    )
    op.create_table(
        "templates",
        sa.Column("consent_id", sa.String(length=32), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("model", sa.String(length=160), nullable=False),
        sa.Column("frames", sa.Integer(), nullable=False),
        sa.Column("vector_ct", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["consent_id"], ["consents.id"], name=op.f("fk_templates_consent_id_consents")
        ),
        sa.PrimaryKeyConstraint("consent_id", "version", "model", name=op.f("pk_templates")),
    )


def _drop_platform_tables() -> None:
    op.drop_table("templates")
    op.drop_table("request_stages")
    op.drop_table("request_entries")
    op.drop_table("project_members")
    op.drop_table("project_approvals")
    op.drop_index(op.f("ix_consent_versions_record_sha256"), table_name="consent_versions")
    op.drop_table("consent_versions")
    op.drop_table("consent_moves")
    op.drop_index(op.f("ix_consent_links_consent_id"), table_name="consent_links")
    op.drop_table("consent_links")
    op.drop_table("consent_files")
    op.drop_index(op.f("ix_assets_sound_number"), table_name="assets")
    op.drop_index(op.f("ix_assets_manifest_sha256"), table_name="assets")
    op.drop_index(op.f("ix_assets_consent_id"), table_name="assets")
    op.drop_table("assets")
    op.drop_table("user_roles")
    op.drop_index(op.f("ix_tokens_user_id"), table_name="tokens")
    op.drop_table("tokens")
    op.drop_index(op.f("ix_subject_keys_subject_id"), table_name="subject_keys")
    op.drop_table("subject_keys")
    op.drop_index(op.f("ix_requests_voice_sha256"), table_name="requests")
    op.drop_index(op.f("ix_requests_requester"), table_name="requests")
    op.drop_index("ix_requests_received", table_name="requests")
    op.drop_index("ix_requests_queue", table_name="requests")
    op.drop_index(op.f("ix_requests_photo_sha256"), table_name="requests")
    op.drop_index(op.f("ix_requests_consent_id"), table_name="requests")
    op.drop_table("requests")
    op.drop_index(op.f("ix_projects_state"), table_name="projects")
    op.drop_table("projects")
    op.drop_index(op.f("ix_never_me_model"), table_name="never_me")
    op.drop_table("never_me")
    op.drop_index(op.f("ix_consents_subject_id"), table_name="consents")
    op.drop_index(op.f("ix_consents_steward"), table_name="consents")
    op.drop_index(op.f("ix_consents_state"), table_name="consents")
    op.drop_table("consents")
    op.drop_table("users")
    op.drop_table("uploads")
    op.drop_table("subjects")
    op.drop_index(op.f("ix_policy_activations_activated_at"), table_name="policy_activations")
    op.drop_table("policy_activations")
    op.drop_table("notices")


def _drop_log_tables() -> None:
    op.drop_index(op.f("ix_log_payload_key_id"), table_name="log_payload")
    op.drop_table("log_payload")
    op.drop_table("log_node")
    op.drop_table("log_leaf")
    op.drop_table("log_key")
    op.drop_index(
        "uq_log_index_rid_outcome",
        table_name="log_index",
        sqlite_where=sa.text(_ENDS),
        postgresql_where=sa.text(_ENDS),
    )
    op.drop_index("ix_log_index_subject_seq", table_name="log_index")
    op.drop_index("ix_log_index_rid_seq", table_name="log_index")
    op.drop_index("ix_log_index_kind_seq", table_name="log_index")
    op.drop_index("ix_log_index_at_seq", table_name="log_index")
    op.drop_index("ix_log_index_actor_seq", table_name="log_index")
    op.drop_table("log_index")
    op.drop_index("ix_log_fact_name_value_seq", table_name="log_fact")
    op.drop_table("log_fact")
    op.drop_table("log_cosignature")
    op.drop_table("log_checkpoint")
