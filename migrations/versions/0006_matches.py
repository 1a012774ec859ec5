"""What people confirm: that a photo shows the person, that a never-me entry is described anew."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_GIVEN = "'photo','voice','video','id-check','written-release','witness','provenance'"
_ESTATE = "'death-record','estate-proof','estate-statement'"


def upgrade() -> None:
    """Make the table and the column; a still may be a JPEG too, a document an estate's."""
    op.create_table(
        "matches",
        sa.Column("rid", sa.String(length=32), nullable=False),
        sa.Column("consent_id", sa.String(length=32), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("photo_sha256", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reviewer", sa.String(length=32), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('asked','confirmed','refused')", name=op.f("ck_matches_known_state")
        ),
        sa.ForeignKeyConstraint(["rid"], ["requests.id"], name=op.f("fk_matches_rid_requests")),
        sa.PrimaryKeyConstraint("rid", name=op.f("pk_matches")),
    )
    op.create_index(op.f("ix_matches_state"), "matches", ["state"], unique=False)
    op.add_column("never_me", sa.Column("renewal_asked_at", sa.DateTime(timezone=True)))
    op.create_index(
        "ix_templates_model_created", "templates", ["model", "created_at"], unique=False
    )
    op.create_index(op.f("ix_consent_moves_log_index"), "consent_moves", ["log_index"])
    _kinds("companions", "'png','jpg','wav'")
    _kinds("consent_files", f"{_GIVEN},{_ESTATE}")


def downgrade() -> None:
    """Remove them."""
    op.drop_index(op.f("ix_consent_moves_log_index"), table_name="consent_moves")
    op.drop_index("ix_templates_model_created", table_name="templates")
    op.execute(f"DELETE FROM consent_files WHERE kind IN ({_ESTATE})")
    _kinds("consent_files", _GIVEN)
    op.execute("DELETE FROM companions WHERE kind = 'jpg'")
    _kinds("companions", "'png','wav'")
    with op.batch_alter_table("never_me") as batch:
        batch.drop_column("renewal_asked_at")
    op.drop_table("matches")


def _kinds(table: str, allowed: str) -> None:
    name = op.f(f"ck_{table}_known_kind")
    with op.batch_alter_table(table) as batch:
        batch.drop_constraint(name, type_="check")
        batch.create_check_constraint(name, f"kind IN ({allowed})")
