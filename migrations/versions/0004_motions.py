"""What the exports of motion need."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "motions",
        sa.Column("asset_number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("form", sa.String(length=8), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("path", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("form IN ('json','csv','glb')", name=op.f("ck_motions_known_form")),
        sa.ForeignKeyConstraint(
            ["asset_number"],
            ["assets.asset_number"],
            name=op.f("fk_motions_asset_number_assets"),
        ),
        sa.PrimaryKeyConstraint("asset_number", name=op.f("pk_motions")),
        sa.UniqueConstraint("sha256", name=op.f("uq_motions_sha256")),
    )


def downgrade() -> None:
    """Remove it."""
    op.drop_table("motions")
