"""Every table but the log's. Times are UTC; ids are 32 hex characters unless said.

Personal names and addresses stand here only as AES-GCM ciphertext under the subject's own key
(`*_ct`), so that destroying that key erases them. Nothing here is the record of what happened:
that is the log, written in the same transaction.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

NAMES: Final = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
metadata: Final = sa.MetaData(naming_convention=NAMES)


class Moment(sa.types.TypeDecorator[datetime]):
    """An aware UTC time. SQLite forgets zones, so it is given back its own."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """Refuse a time without a zone, store UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a stored time must carry its zone")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """Give it back aware."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _json() -> sa.types.TypeEngine[Any]:
    return sa.JSON().with_variant(JSONB(), "postgresql")


def _id(*args: Any, **options: Any) -> sa.Column[str]:
    return sa.Column("id", sa.String(32), *args, primary_key=True, **options)


def _ref(name: str, target: str, **options: Any) -> sa.Column[str]:
    return sa.Column(name, sa.String(32), sa.ForeignKey(target), **options)


def _sha(name: str, **options: Any) -> sa.Column[str]:
    return sa.Column(name, sa.String(64), **options)


users = sa.Table(
    "users",
    metadata,
    _id(),
    sa.Column("email", sa.String(254), nullable=False, unique=True),  # lower case
    sa.Column("name", sa.String(120), nullable=False),
    sa.Column("password_hash", sa.String(200), nullable=False),  # argon2id, encoded; "": none
    sa.Column("active", sa.Boolean, nullable=False),
    sa.Column("approved_until", Moment),
    sa.Column("approved_by", sa.String(32)),
    sa.Column("daily_quota", sa.Integer, nullable=False),
    sa.Column("stamp", sa.String(32), nullable=False),  # changes whenever sessions must end
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("locked_until", Moment),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("invited_by", sa.String(32), nullable=False, server_default="operator"),  # or user id
    sa.Column("joined_at", Moment),  # NULL: the invitation waits
)

user_roles = sa.Table(
    "user_roles",
    metadata,
    _ref("user_id", "users.id", primary_key=True),
    sa.Column("role", sa.String(16), primary_key=True),
    sa.CheckConstraint(
        "role IN ('researcher','reviewer','steward','auditor','admin')", name="known_role"
    ),
)

role_proposals = sa.Table(
    "role_proposals",  # roles that decide, until a second admin agreed
    metadata,
    _ref("user_id", "users.id", primary_key=True),
    sa.Column("role", sa.String(16), primary_key=True),
    sa.Column("proposed_by", sa.String(32), nullable=False),  # user id or 'operator'
    sa.Column("proposed_at", Moment, nullable=False),
)

account_links = sa.Table(
    "account_links",  # an invitation, redeemed once by the person themselves
    metadata,
    _ref("user_id", "users.id", primary_key=True),
    _sha("token_sha256", nullable=False, unique=True),
    sa.Column("made_by", sa.String(32), nullable=False),
    sa.Column("expires_at", Moment, nullable=False),
)

browsers = sa.Table(
    "browsers",  # which browser an account was joined or signed in from, by a mark's sha256
    metadata,
    _sha("mark_sha256", primary_key=True),
    _ref("user_id", "users.id", primary_key=True, index=True),
    sa.Column("joined", sa.Boolean, nullable=False),  # the invitation was redeemed here
    sa.Column("seen_at", Moment, nullable=False, index=True),
)

passkeys = sa.Table(
    "passkeys",
    metadata,
    _sha("id", primary_key=True),  # of the credential's id
    _ref("user_id", "users.id", nullable=False, index=True),
    sa.Column("credential_id", sa.LargeBinary, nullable=False),
    sa.Column("public_key", sa.LargeBinary, nullable=False),  # COSE
    sa.Column("sign_count", sa.BigInteger, nullable=False),
    sa.Column("name", sa.String(80), nullable=False),
    sa.Column("added_at", Moment, nullable=False),
    sa.Column("last_used_at", Moment),
)

passkey_challenges = sa.Table(
    "passkey_challenges",  # each is answered once
    metadata,
    _sha("id", primary_key=True),  # of the challenge
    sa.Column("about", sa.String(80), nullable=False),  # 'sign-in', or 'add ' and a user id
    sa.Column("expires_at", Moment, nullable=False, index=True),
)

tokens = sa.Table(
    "tokens",
    metadata,
    _id(),
    _ref("user_id", "users.id", nullable=False, index=True),
    sa.Column("name", sa.String(80), nullable=False),
    _sha("secret_sha256", nullable=False, unique=True),
    sa.Column("scopes", _json(), nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("expires_at", Moment, nullable=False),
    sa.Column("last_used_at", Moment),
    sa.Column("revoked_at", Moment),
    sa.Column("by_passkey", sa.Boolean, nullable=False, server_default=sa.false()),
)

sessions = sa.Table(
    "sessions",
    metadata,
    _sha("id", primary_key=True),  # of the cookie's secret
    _ref("user_id", "users.id", nullable=False),
    sa.Column("stamp", sa.String(32), nullable=False),  # the account's, when it began
    sa.Column("began", Moment, nullable=False, index=True),
    sa.Column("by_passkey", sa.Boolean, nullable=False, server_default=sa.false()),
)

projects = sa.Table(
    "projects",
    metadata,
    _id(),
    sa.Column("title", sa.String(200), nullable=False),
    sa.Column("summary", sa.Text, nullable=False),
    sa.Column("ethics_reference", sa.String(120), nullable=False),
    sa.Column("purposes", _json(), nullable=False),
    _ref("applicant", "users.id", nullable=False),
    _ref("principal", "users.id", nullable=False),
    sa.Column("state", sa.String(16), nullable=False, index=True),
    sa.Column("starts_at", Moment, nullable=False),
    sa.Column("ends_at", Moment, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.CheckConstraint("state IN ('applied','approved','rejected','ended')", name="known_state"),
)

project_members = sa.Table(
    "project_members",
    metadata,
    _ref("project_id", "projects.id", primary_key=True),
    _ref("user_id", "users.id", primary_key=True),
)

project_approvals = sa.Table(
    "project_approvals",
    metadata,
    _ref("project_id", "projects.id", primary_key=True),
    _ref("reviewer", "users.id", primary_key=True),
    sa.Column("approved", sa.Boolean, nullable=False),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("at", Moment, nullable=False),
)

subjects = sa.Table(
    "subjects",
    metadata,
    _id(),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("key_wrapped", sa.LargeBinary),  # the subject's own data key; NULL once erased
    sa.Column("name_ct", sa.LargeBinary),
    sa.Column("contact_ct", sa.LargeBinary),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("erased_at", Moment),
)

subject_keys = sa.Table(
    "subject_keys",
    metadata,
    _sha("id", primary_key=True),  # sha256 of the raw public key
    _ref("subject_id", "subjects.id", nullable=False, index=True),
    sa.Column("public", sa.LargeBinary, nullable=False),  # Ed25519, 32 bytes
    sa.Column("created_at", Moment, nullable=False),
)

consents = sa.Table(
    "consents",
    metadata,
    _id(),
    _ref("subject_id", "subjects.id", nullable=False, index=True),
    _ref("steward", "users.id", nullable=False, index=True),
    sa.Column("state", sa.String(16), nullable=False, index=True),
    sa.Column("version", sa.Integer, nullable=False),  # 0 until the subject has signed
    sa.Column("epoch", sa.Integer, nullable=False),
    sa.Column("offer", _json(), nullable=False),
    sa.Column("prepared", sa.LargeBinary),  # the record the subject was shown, until it is signed
    sa.Column("prepared_public", sa.LargeBinary),  # the key that is to sign it
    sa.Column("challenge", _json(), nullable=False),
    sa.Column("witness", sa.String(32)),
    sa.Column("reviewer", sa.String(32)),
    sa.Column("held_by", sa.String(16), nullable=False),  # '', 'subject' or 'platform'
    sa.Column("enrolment", sa.Text, nullable=False),  # why no template could be made, or ''
    _sha("receipt_sha256", unique=True),  # of the token in the subject's receipt
    sa.Column("not_after", Moment),
    sa.Column("created_at", Moment, nullable=False),
)

consent_versions = sa.Table(
    "consent_versions",
    metadata,
    _ref("consent_id", "consents.id", primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("envelope", sa.LargeBinary, nullable=False),
    _sha("record_sha256", nullable=False, index=True),
    sa.Column("limits", _json(), nullable=False),  # max_outputs and max_per_day of the record
    sa.Column("created_at", Moment, nullable=False),
)

consent_moves = sa.Table(
    "consent_moves",
    metadata,
    _ref("consent_id", "consents.id", primary_key=True),
    sa.Column("epoch", sa.Integer, primary_key=True),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("actor", sa.String(32), nullable=False),  # user id, 'subject' or 'system'
    sa.Column("log_index", sa.BigInteger, nullable=False, index=True),
    sa.Column("at", Moment, nullable=False),
)

consent_links = sa.Table(
    "consent_links",
    metadata,
    _sha("token_sha256", primary_key=True),
    _ref("consent_id", "consents.id", nullable=False, index=True),
    sa.Column("expires_at", Moment, nullable=False),
    sa.Column("used_at", Moment),
)

consent_files = sa.Table(
    "consent_files",  # photos, voice clips and evidence a consent rests on
    metadata,
    _ref("consent_id", "consents.id", primary_key=True),
    _sha("sha256", primary_key=True),
    sa.Column("kind", sa.String(16), primary_key=True),
    sa.Column("width", sa.Integer, nullable=False),
    sa.Column("height", sa.Integer, nullable=False),
    sa.Column("added_at", Moment, nullable=False),
    sa.CheckConstraint(
        "kind IN ('photo','voice','video','id-check','written-release','witness','provenance',"
        "'death-record','estate-proof','estate-statement')",
        name="known_kind",
    ),
)

templates = sa.Table(
    "templates",
    metadata,
    _ref("consent_id", "consents.id", primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("model", sa.String(160), primary_key=True),
    sa.Column("frames", sa.Integer, nullable=False),
    sa.Column("vector_ct", sa.LargeBinary, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Index("ix_templates_model_created", "model", "created_at"),  # asked before every search
)

never_me = sa.Table(
    "never_me",
    metadata,
    _id(),
    _ref("subject_id", "subjects.id", nullable=False),
    sa.Column("model", sa.String(160), nullable=False, index=True),
    sa.Column("frames", sa.Integer, nullable=False),
    sa.Column("vector_ct", sa.LargeBinary, nullable=False),
    sa.Column("added_at", Moment, nullable=False),
    sa.Column("renewal_asked_at", Moment),  # another model is in use; asked for new photos
)

challenge_checks = sa.Table(
    "challenge_checks",  # what was measured in each recording of the challenge, and its voice
    metadata,
    _ref("consent_id", "consents.id", primary_key=True),
    _sha("video_sha256", primary_key=True),
    sa.Column("measured_ct", sa.LargeBinary, nullable=False),
    sa.Column("trace_ct", sa.LargeBinary, nullable=False),
    sa.Column("voice_ct", sa.LargeBinary),  # NULL where too little was said, or nothing compares
    sa.Column("voice_model", sa.String(160), nullable=False),
    sa.Column("voice_ms", sa.Integer, nullable=False),
    sa.Column("at", Moment, nullable=False),
)

subject_links = sa.Table(
    "subject_links",  # two subjects that a reviewer found to be one person; one < other
    metadata,
    _ref("one", "subjects.id", primary_key=True),
    _ref("other", "subjects.id", primary_key=True, index=True),
    _ref("reviewer", "users.id", nullable=False),
    sa.Column("at", Moment, nullable=False),
)

photo_offers = sa.Table(
    "photo_offers",  # photos that wait for the subject's signature
    metadata,
    _ref("consent_id", "consents.id", primary_key=True),
    _sha("sha256", primary_key=True),
    sa.Column("width", sa.Integer, nullable=False),
    sa.Column("height", sa.Integer, nullable=False),
    sa.Column("offered_by", sa.String(32), nullable=False),  # user id or 'subject'
    sa.Column("added_at", Moment, nullable=False),
)

consent_approvals = sa.Table(
    "consent_approvals",  # who looked at this version and said yes
    metadata,
    _ref("consent_id", "consents.id", primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True),
    _ref("reviewer", "users.id", primary_key=True),
    sa.Column("at", Moment, nullable=False),
)

thumbnails = sa.Table(
    "thumbnails",  # a small picture of each video, under the subject's key
    metadata,
    sa.Column("asset_number", sa.BigInteger, primary_key=True, autoincrement=False),
    _ref("consent_id", "consents.id", nullable=False, index=True),
    sa.Column("jpeg_ct", sa.LargeBinary, nullable=False),
    sa.Column("added_at", Moment, nullable=False),
)

complaints = sa.Table(
    "complaints",
    metadata,
    _id(),
    _ref("consent_id", "consents.id", nullable=False, index=True),
    sa.Column("state", sa.String(16), nullable=False, index=True),
    sa.Column("text_ct", sa.LargeBinary, nullable=False),
    sa.Column("answer_ct", sa.LargeBinary),
    sa.Column("received_at", Moment, nullable=False),
    sa.Column("answered_at", Moment),
    sa.Column("answered_by", sa.String(32)),
    sa.CheckConstraint("state IN ('open','answered')", name="known_state"),
)

takedowns = sa.Table(
    "takedowns",  # subject_id is whoever asked; what they wrote lies under their own key
    metadata,
    _id(),
    _ref("subject_id", "subjects.id", nullable=False, index=True),
    _sha("token_sha256", nullable=False, unique=True),
    sa.Column("state", sa.String(16), nullable=False, index=True),
    sa.Column("details_ct", sa.LargeBinary, nullable=False),
    _sha("file_sha256", nullable=False),
    sa.Column("asset_number", sa.BigInteger, index=True),
    sa.Column("found_by", sa.String(16), nullable=False),
    sa.Column("source", sa.String(16), nullable=False),  # keyed, another every day
    sa.Column("received_at", Moment, nullable=False),
    sa.Column("acted_at", Moment),
    sa.Column("decided_at", Moment),
    sa.Column("decided_by", sa.String(32)),
    sa.Index("ix_takedowns_source", "source", "received_at"),
    sa.CheckConstraint("state IN ('received','upheld','declined')", name="known_state"),
)

opt_outs = sa.Table(
    "opt_outs",  # people who ask never to be animated, until a reviewer has looked
    metadata,
    _id(),
    _ref("subject_id", "subjects.id", nullable=False, index=True),
    _sha("token_sha256", nullable=False, unique=True),
    sa.Column("state", sa.String(16), nullable=False, index=True),
    sa.Column("problem", sa.Text, nullable=False),
    sa.Column("source", sa.String(16), nullable=False),
    sa.Column("received_at", Moment, nullable=False),
    sa.Column("decided_at", Moment),
    sa.Column("decided_by", sa.String(32)),
    sa.Index("ix_opt_outs_source", "source", "received_at"),
    sa.CheckConstraint(
        "state IN ('received','approved','listed','declined','removed')", name="known_state"
    ),
)

opt_out_photos = sa.Table(
    "opt_out_photos",
    metadata,
    _ref("opt_out_id", "opt_outs.id", primary_key=True),
    _sha("sha256", primary_key=True),
)

outbox = sa.Table(
    "outbox",  # what a subject is to be told, written with what it tells of
    metadata,
    _id(),
    _ref("subject_id", "subjects.id", nullable=False, index=True),
    sa.Column("consent_id", sa.String(32), nullable=False),
    sa.Column("event", sa.String(40), nullable=False),
    sa.Column("channel", sa.String(16), nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("due_at", Moment, nullable=False, index=True),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("sent_at", Moment),
)

subject_hooks = sa.Table(
    "subject_hooks",  # where a subject wants to be told, beside by mail
    metadata,
    _ref("subject_id", "subjects.id", primary_key=True),
    sa.Column("url_ct", sa.LargeBinary, nullable=False),
    sa.Column("secret_ct", sa.LargeBinary, nullable=False),
    sa.Column("added_at", Moment, nullable=False),
)

notices = sa.Table(
    "notices",
    metadata,
    _sha("sha256", primary_key=True),
    sa.Column("language", sa.String(16), nullable=False),
    sa.Column("title", sa.String(200), nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("added_at", Moment, nullable=False),
)

requests = sa.Table(
    "requests",  # the row IS the queue
    metadata,
    _id(),
    _ref("requester", "users.id", nullable=False, index=True),
    sa.Column("project_id", sa.String(32), nullable=False),
    sa.Column("consent_id", sa.String(32), nullable=False, index=True),
    sa.Column("purpose", sa.String(32), nullable=False),
    sa.Column("audience", sa.String(32), nullable=False),
    _sha("photo_sha256", nullable=False, index=True),
    _sha("voice_sha256", nullable=False, index=True),
    sa.Column("voice_synthetic", sa.Boolean, nullable=False),
    sa.Column("controls", sa.Text, nullable=False),  # JSON
    _sha("same_key", nullable=True),  # digest of requester and Idempotency-Key
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("stage", sa.String(32), nullable=False),
    sa.Column("received_at", Moment, nullable=False),
    sa.Column("started_at", Moment),
    sa.Column("finished_at", Moment),
    sa.Column("decision_id", sa.String(32), nullable=False),
    sa.Column("policy_sha256", sa.String(64), nullable=False),
    sa.Column("reasons", _json(), nullable=False),  # [[rule, sentence], ...]
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("kept", sa.Boolean, nullable=False),  # its uploads are still there
    sa.Column("permitted", sa.Boolean, nullable=False),  # the log holds its permit.issued
    # -- the lease; all times are the database's Unix milliseconds
    sa.Column("queue", sa.String(16), nullable=False),
    sa.Column("priority", sa.Integer, nullable=False),
    sa.Column("run_after", sa.BigInteger, nullable=False),
    sa.Column("owner", sa.String(64), nullable=False),
    sa.Column("claim", sa.BigInteger, nullable=False),  # the fencing token
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("lease_until", sa.BigInteger, nullable=False),
    sa.Column("cancel", sa.Boolean, nullable=False),
    sa.UniqueConstraint("same_key"),
    sa.Index("ix_requests_queue", "state", "queue", "run_after"),
    sa.Index("ix_requests_received", "requester", "received_at"),
    sa.CheckConstraint(
        "state IN ('queued','running','released','refused','withheld','failed','aborted',"
        "'cancelled')",
        name="known_state",
    ),
)

request_stages = sa.Table(
    "request_stages",
    metadata,
    _ref("rid", "requests.id", primary_key=True),
    sa.Column("n", sa.Integer, primary_key=True),
    sa.Column("stage", sa.String(32), nullable=False),
    sa.Column("at", Moment, nullable=False),
)

matches = sa.Table(
    "matches",  # what a reviewer says of a photo where distances do not suffice
    metadata,
    _ref("rid", "requests.id", primary_key=True),
    sa.Column("consent_id", sa.String(32), nullable=False),
    sa.Column("epoch", sa.Integer, nullable=False),  # of the consent when it was asked
    _sha("photo_sha256", nullable=False),
    sa.Column("state", sa.String(16), nullable=False, index=True),
    sa.Column("asked_at", Moment, nullable=False),
    sa.Column("ends_at", Moment, nullable=False),
    sa.Column("reviewer", sa.String(32), nullable=False),
    sa.Column("answered_at", Moment),
    sa.CheckConstraint("state IN ('asked','confirmed','refused')", name="known_state"),
)

request_entries = sa.Table(
    "request_entries",  # where in the log the story of a request is
    metadata,
    _ref("rid", "requests.id", primary_key=True),
    sa.Column("log_index", sa.BigInteger, primary_key=True),
    sa.Column("kind", sa.String(40), nullable=False),
    sa.Column("at", Moment, nullable=False),
)

assets = sa.Table(
    "assets",
    metadata,
    sa.Column("asset_number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("sound_number", sa.BigInteger, nullable=False, index=True),  # its low 32 bits
    _ref("rid", "requests.id", nullable=False, unique=True),
    _ref("consent_id", "consents.id", nullable=False, index=True),
    _sha("file_sha256", nullable=False, unique=True),
    _sha("manifest_sha256", nullable=False, index=True),
    sa.Column("path", sa.String(64), nullable=False),  # inside the vault
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("fingerprint", sa.LargeBinary, nullable=False),
    sa.Column("log_index", sa.BigInteger, nullable=False),
    sa.Column("leaf", sa.LargeBinary, nullable=False),
    sa.Column("released_at", Moment, nullable=False),
    # -- told by the worker after the release; for people to read, decided upon by nothing
    sa.Column("asset_uuid", sa.String(32), nullable=False),
    sa.Column("manifest_label", sa.String(200), nullable=False),
    sa.Column("milliseconds", sa.Integer, nullable=False),
    sa.Column("width", sa.Integer, nullable=False),
    sa.Column("height", sa.Integer, nullable=False),
    sa.Column("millifps", sa.Integer, nullable=False),
    # -- what became of it
    sa.Column("quarantined_at", Moment),
    sa.Column("deleted_at", Moment),
)

manifests = sa.Table(
    "manifests",  # what was signed, kept for copies that lost it
    metadata,
    sa.Column("label", sa.String(200), primary_key=True),  # urn:c2pa:...
    sa.Column("asset_number", sa.BigInteger, nullable=False, index=True),
    _sha("sha256", nullable=False, index=True),
    sa.Column("store", sa.LargeBinary, nullable=False),
    sa.Column("stored_at", Moment, nullable=False),
)

companions = sa.Table(
    "companions",  # the stills and the sound released with a video
    metadata,
    _ref("rid", "requests.id", primary_key=True),
    sa.Column("kind", sa.String(8), primary_key=True),
    _sha("sha256", nullable=False, unique=True),
    sa.Column("data", sa.LargeBinary, nullable=False),  # gone when the video is
    sa.CheckConstraint("kind IN ('png','jpg','wav')", name="known_kind"),
)

revoked_certificates = sa.Table(
    "revoked_certificates",
    metadata,
    sa.Column("serial", sa.String(40), primary_key=True),  # hex, lower case
    sa.Column("since", Moment, nullable=False),
    sa.Column("noted_at", Moment, nullable=False),
)

motions = sa.Table(
    "motions",  # movement as data, beside the video it belongs to
    metadata,
    sa.Column(
        "asset_number",
        sa.BigInteger,
        sa.ForeignKey("assets.asset_number"),
        primary_key=True,
        autoincrement=False,
    ),
    sa.Column("form", sa.String(8), nullable=False),
    _sha("sha256", nullable=False, unique=True),
    sa.Column("path", sa.String(64), nullable=False),  # inside the vault
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.CheckConstraint("form IN ('json','csv','glb')", name="known_form"),
)

uploads = sa.Table(
    "uploads",
    metadata,
    _sha("sha256", primary_key=True),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("key_wrapped", sa.LargeBinary),  # the file's own key; NULL: the installation's
    sa.Column("created_at", Moment, nullable=False),
)

policy_activations = sa.Table(
    "policy_activations",
    metadata,
    _id(),
    _sha("policy_sha256", nullable=False),
    sa.Column("sources", _json(), nullable=False),  # kept so that old decisions can be replayed
    sa.Column("schema_text", sa.Text, nullable=False),
    sa.Column("proposed_by", sa.String(32), nullable=False),
    sa.Column("activated_by", sa.String(32)),
    sa.Column("proposed_at", Moment, nullable=False),
    sa.Column("activated_at", Moment, index=True),
)
