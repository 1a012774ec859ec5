"""Manifests for copies that lost them, stills and sounds beside videos, revoked certificates."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from primafacie.platform.tables import Moment

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the three tables."""
    op.create_table(
        "manifests",
        sa.Column("label", sa.String(200), nullable=False),
        sa.Column("asset_number", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("store", sa.LargeBinary(), nullable=False),
        sa.Column("stored_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("label", name="pk_manifests"),
    )
    op.create_index("ix_manifests_asset_number", "manifests", ["asset_number"])
    op.create_index("ix_manifests_sha256", "manifests", ["sha256"])
    op.create_table(
        "companions",
        sa.Column("rid", sa.String(32), nullable=False),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("kind IN ('png','wav')", name="ck_companions_known_kind"),
        sa.ForeignKeyConstraint(["rid"], ["requests.id"], name="fk_companions_rid_requests"),
        sa.PrimaryKeyConstraint("rid", "kind", name="pk_companions"),
        sa.UniqueConstraint("sha256", name="uq_companions_sha256"),
    )
    op.create_table(
        "revoked_certificates",
        sa.Column("serial", sa.String(40), nullable=False),
        sa.Column("since", Moment(), nullable=False),
        sa.Column("noted_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("serial", name="pk_revoked_certificates"),
    )


def downgrade() -> None:
    """Take them away."""
    op.drop_table("revoked_certificates")
    op.drop_table("companions")
    op.drop_table("manifests")
