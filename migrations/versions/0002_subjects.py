"""What the subjects' pages need: complaints, takedowns, opting out, offered photos, notices."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_TABLES = (
    "subject_hooks", "outbox", "complaints", "thumbnails", "consent_approvals", "photo_offers",
    "takedowns", "opt_out_photos", "opt_outs",
)  # fmt: skip


def upgrade() -> None:
    """Make the tables."""
    _people()
    _consents()
    _notices()
    _capture_tables()
    op.add_column("uploads", sa.Column("key_wrapped", sa.LargeBinary(), nullable=True))


def downgrade() -> None:
    """Remove them, their indexes with them."""
    with op.batch_alter_table("uploads") as batch:
        batch.drop_column("key_wrapped")
    for name in ("subject_links", "challenge_checks", *_TABLES):
        op.drop_table(name)


def _people() -> None:
    op.create_table(
        "opt_outs",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("subject_id", sa.String(length=32), nullable=False),
        sa.Column("token_sha256", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_by", sa.String(length=32), nullable=True),
        sa.CheckConstraint(
            "state IN ('received','approved','listed','declined','removed')",
            name=op.f("ck_opt_outs_known_state"),
        ),
        sa.ForeignKeyConstraint(
            ["subject_id"], ["subjects.id"], name=op.f("fk_opt_outs_subject_id_subjects")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_opt_outs")),
        sa.UniqueConstraint("token_sha256", name=op.f("uq_opt_outs_token_sha256")),
    )
    op.create_index("ix_opt_outs_source", "opt_outs", ["source", "received_at"], unique=False)
    op.create_index(op.f("ix_opt_outs_state"), "opt_outs", ["state"], unique=False)
    op.create_index(op.f("ix_opt_outs_subject_id"), "opt_outs", ["subject_id"], unique=False)
    op.create_table(
        "opt_out_photos",
        sa.Column("opt_out_id", sa.String(length=32), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["opt_out_id"], ["opt_outs.id"], name=op.f("fk_opt_out_photos_opt_out_id_opt_outs")
        ),
        sa.PrimaryKeyConstraint("opt_out_id", "sha256", name=op.f("pk_opt_out_photos")),
    )
    op.create_table(
        "takedowns",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("subject_id", sa.String(length=32), nullable=False),
        sa.Column("token_sha256", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("details_ct", sa.LargeBinary(), nullable=False),
        sa.Column("file_sha256", sa.String(length=64), nullable=False),
        sa.Column("asset_number", sa.BigInteger(), nullable=True),
        sa.Column("found_by", sa.String(length=16), nullable=False),
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("acted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_by", sa.String(length=32), nullable=True),
        sa.CheckConstraint(
            "state IN ('received','upheld','declined')", name=op.f("ck_takedowns_known_state")
        ),
        sa.ForeignKeyConstraint(
            ["subject_id"], ["subjects.id"], name=op.f("fk_takedowns_subject_id_subjects")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_takedowns")),
        sa.UniqueConstraint("token_sha256", name=op.f("uq_takedowns_token_sha256")),
    )
    op.create_index(op.f("ix_takedowns_asset_number"), "takedowns", ["asset_number"], unique=False)
    op.create_index("ix_takedowns_source", "takedowns", ["source", "received_at"], unique=False)
    op.create_index(op.f("ix_takedowns_state"), "takedowns", ["state"], unique=False)
    op.create_index(op.f("ix_takedowns_subject_id"), "takedowns", ["subject_id"], unique=False)


def _consents() -> None:
    op.create_table(
        "photo_offers",
        sa.Column("consent_id", sa.String(length=32), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("offered_by", sa.String(length=32), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["consent_id"], ["consents.id"], name=op.f("fk_photo_offers_consent_id_consents")
        ),
        sa.PrimaryKeyConstraint("consent_id", "sha256", name=op.f("pk_photo_offers")),
    )
    op.create_table(
        "consent_approvals",
        sa.Column("consent_id", sa.String(length=32), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("reviewer", sa.String(length=32), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["consent_id"], ["consents.id"], name=op.f("fk_consent_approvals_consent_id_consents")
        ),
        sa.ForeignKeyConstraint(
            ["reviewer"], ["users.id"], name=op.f("fk_consent_approvals_reviewer_users")
        ),
        sa.PrimaryKeyConstraint(
            "consent_id", "version", "reviewer", name=op.f("pk_consent_approvals")
        ),
    )
    op.create_table(
        "thumbnails",
        sa.Column("asset_number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("consent_id", sa.String(length=32), nullable=False),
        sa.Column("jpeg_ct", sa.LargeBinary(), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["consent_id"], ["consents.id"], name=op.f("fk_thumbnails_consent_id_consents")
        ),
        sa.PrimaryKeyConstraint("asset_number", name=op.f("pk_thumbnails")),
    )
    op.create_index(op.f("ix_thumbnails_consent_id"), "thumbnails", ["consent_id"], unique=False)
    op.create_table(
        "complaints",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("consent_id", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("text_ct", sa.LargeBinary(), nullable=False),
        sa.Column("answer_ct", sa.LargeBinary(), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("answered_by", sa.String(length=32), nullable=True),
        sa.CheckConstraint("state IN ('open','answered')", name=op.f("ck_complaints_known_state")),
        sa.ForeignKeyConstraint(
            ["consent_id"], ["consents.id"], name=op.f("fk_complaints_consent_id_consents")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_complaints")),
    )
    op.create_index(op.f("ix_complaints_consent_id"), "complaints", ["consent_id"], unique=False)
    op.create_index(op.f("ix_complaints_state"), "complaints", ["state"], unique=False)


def _notices() -> None:
    op.create_table(
        "outbox",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("subject_id", sa.String(length=32), nullable=False),
        sa.Column("consent_id", sa.String(length=32), nullable=False),
        sa.Column("event", sa.String(length=40), nullable=False),
        sa.Column("channel", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["subject_id"], ["subjects.id"], name=op.f("fk_outbox_subject_id_subjects")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
    )
    op.create_index(op.f("ix_outbox_due_at"), "outbox", ["due_at"], unique=False)
    op.create_index(op.f("ix_outbox_subject_id"), "outbox", ["subject_id"], unique=False)
    op.create_table(
        "subject_hooks",
        sa.Column("subject_id", sa.String(length=32), nullable=False),
        sa.Column("url_ct", sa.LargeBinary(), nullable=False),
        sa.Column("secret_ct", sa.LargeBinary(), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["subject_id"], ["subjects.id"], name=op.f("fk_subject_hooks_subject_id_subjects")
        ),
        sa.PrimaryKeyConstraint("subject_id", name=op.f("pk_subject_hooks")),
    )


def _capture_tables() -> None:
    op.create_table(
        "challenge_checks",
        sa.Column("consent_id", sa.String(length=32), nullable=False),
        sa.Column("video_sha256", sa.String(length=64), nullable=False),
        sa.Column("measured_ct", sa.LargeBinary(), nullable=False),
        sa.Column("trace_ct", sa.LargeBinary(), nullable=False),
        sa.Column("voice_ct", sa.LargeBinary(), nullable=True),
        sa.Column("voice_model", sa.String(length=160), nullable=False),
        sa.Column("voice_ms", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["consent_id"], ["consents.id"], name=op.f("fk_challenge_checks_consent_id_consents")
        ),
        sa.PrimaryKeyConstraint("consent_id", "video_sha256", name=op.f("pk_challenge_checks")),
    )
    op.create_table(
        "subject_links",
        sa.Column("one", sa.String(length=32), nullable=False),
        sa.Column("other", sa.String(length=32), nullable=False),
        sa.Column("reviewer", sa.String(length=32), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["one"], ["subjects.id"], name=op.f("fk_subject_links_one_subjects")
        ),
        sa.ForeignKeyConstraint(
            ["other"], ["subjects.id"], name=op.f("fk_subject_links_other_subjects")
        ),
        sa.ForeignKeyConstraint(
            ["reviewer"], ["users.id"], name=op.f("fk_subject_links_reviewer_users")
        ),
        sa.PrimaryKeyConstraint("one", "other", name=op.f("pk_subject_links")),
    )
    op.create_index(op.f("ix_subject_links_other"), "subject_links", ["other"], unique=False)
