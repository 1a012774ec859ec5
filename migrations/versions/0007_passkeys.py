"""Passkeys, invitations, roles two admins agree to, and which browser joined an account."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_TABLES = ("role_proposals", "account_links", "browsers", "passkeys", "passkey_challenges")


def _user(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["user_id"], ["users.id"], name=op.f(f"fk_{table}_user_id_users")
    )


def upgrade() -> None:
    """Make the tables. Accounts there are have joined when they were made; their sessions and
    tokens were begun without a passkey."""
    op.create_table(
        "role_proposals",
        sa.Column("user_id", sa.String(length=32), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("proposed_by", sa.String(length=32), nullable=False),
        sa.Column("proposed_at", sa.DateTime(timezone=True), nullable=False),
        _user("role_proposals"),
        sa.PrimaryKeyConstraint("user_id", "role", name=op.f("pk_role_proposals")),
    )
    op.create_table(
        "account_links",
        sa.Column("user_id", sa.String(length=32), nullable=False),
        sa.Column("token_sha256", sa.String(length=64), nullable=False),
        sa.Column("made_by", sa.String(length=32), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        _user("account_links"),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_account_links")),
        sa.UniqueConstraint("token_sha256", name=op.f("uq_account_links_token_sha256")),
    )
    op.create_table(
        "browsers",
        sa.Column("mark_sha256", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.String(length=32), nullable=False),
        sa.Column("joined", sa.Boolean(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        _user("browsers"),
        sa.PrimaryKeyConstraint("mark_sha256", "user_id", name=op.f("pk_browsers")),
    )
    op.create_index(op.f("ix_browsers_user_id"), "browsers", ["user_id"])
    op.create_index(op.f("ix_browsers_seen_at"), "browsers", ["seen_at"])
    op.create_table(
        "passkeys",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.String(length=32), nullable=False),
        sa.Column("credential_id", sa.LargeBinary(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("sign_count", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        _user("passkeys"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_passkeys")),
    )
    op.create_index(op.f("ix_passkeys_user_id"), "passkeys", ["user_id"])
    op.create_table(
        "passkey_challenges",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("about", sa.String(length=80), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_passkey_challenges")),
    )
    op.create_index(op.f("ix_passkey_challenges_expires_at"), "passkey_challenges", ["expires_at"])
    op.add_column(
        "users",
        sa.Column("invited_by", sa.String(length=32), nullable=False, server_default="operator"),
    )
    op.add_column("users", sa.Column("joined_at", sa.DateTime(timezone=True), nullable=True))
    op.execute("UPDATE users SET joined_at = created_at")
    for table in ("sessions", "tokens"):
        no: sa.Column[bool] = sa.Column(
            "by_passkey", sa.Boolean(), nullable=False, server_default=sa.false()
        )
        op.add_column(table, no)


def downgrade() -> None:
    """Remove it all. Whoever has no password then has no way in but a new one."""
    for table, column in (
        ("sessions", "by_passkey"), ("tokens", "by_passkey"),
        ("users", "joined_at"), ("users", "invited_by"),
    ):  # fmt: skip
        op.drop_column(table, column)
    for table in _TABLES:
        op.drop_table(table)
