"""Settings: what an operator may choose. Read once, frozen, every field described.

Sources, first wins: environment variables PRIMAFACIE_<FIELD>, then the TOML file that
PRIMAFACIE_CONFIG names (or `primafacie.toml` in the working directory), then the defaults.
An unknown name in either is an error, so that a mistyped or imagined switch is never silently
ignored. Safety is not a setting: no field here weakens a check, a mark, a signature or the log.
The face matcher an operator brings is part of the rules, which two admins put in force.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from primafacie.audit.errors import NoteError
from primafacie.audit.note import Algorithm, parse_vkey
from primafacie.platform.errors import SettingsError

PREFIX: Final = "PRIMAFACIE_"
CONFIG: Final = "PRIMAFACIE_CONFIG"
CONFIG_FILE: Final = "primafacie.toml"
NOT_SETTINGS: Final = frozenset({CONFIG, "PRIMAFACIE_TOKEN"})  # read elsewhere

Mode = Literal["development", "production"]


class EngineSetting(BaseModel):
    """An engine by its name; where it runs on a file, that file, its sha256 and its licence.

    The rules must approve it too, by `name` or `name@sha256`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    file: str = ""
    sha256: str = ""
    licence: str = ""


class FaceSetting(BaseModel):
    """Weights of a face recogniser, as `face_weights` and its two companions name them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: Path
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    match_distance: float = Field(ge=0.2, le=1.0)


class WitnessSetting(BaseModel):
    """Somebody else who cosigns our log: the public key, and where add-checkpoint is answered."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    vkey: str
    url: str

    @field_validator("vkey")
    @classmethod
    def _cosigns(cls, value: str) -> str:
        try:
            key = parse_vkey(value)
        except NoteError as error:
            raise ValueError("a witness's vkey is not a public key") from error
        if key.algorithm is Algorithm.ED25519:
            raise ValueError("a witness's key is one for cosignatures (type 4 or 6)")
        return value

    @field_validator("url")
    @classmethod
    def _address(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query:
            raise ValueError("a witness's address begins with https:// or http://")
        return value


class Settings(BaseSettings):
    """One installation's choices. `Settings.read()` is the way to get them."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    mode: Mode = Field("development", description="development or production.")
    debug: bool = Field(False, description="Flask's debugger; production refuses to start with it.")
    data_dir: Path = Field(Path("data"), description="Folder of the database, keys and files.")
    database_url: str = Field(
        "", description="SQLAlchemy URL; empty means SQLite in the data folder."
    )
    passphrase_file: Path | None = Field(
        None, description="File whose first line opens the keyring."
    )
    key_file: Path | None = Field(
        None, description="File of at least 32 random bytes that opens the keyring."
    )
    controller: str = Field(
        "Example Research Group", description="The organisation that answers for the processing."
    )
    controller_contact: str = Field(
        "privacy@example.org", description="Where subjects reach the controller."
    )
    country: str = Field("ZZ", description="ISO 3166-1 code in the certificates; ZZ is nowhere.")
    log_origin: str = Field(
        "primafacie.example/log", description="The log's name in every checkpoint; never change it."
    )
    witnesses: tuple[WitnessSetting, ...] = Field(
        (), description="Others who cosign the log's checkpoints, each with vkey and url."
    )
    witness_quorum: int = Field(
        0,
        ge=0,
        le=16,
        description="So many witnesses must have cosigned within the last hour, or "
        "no request is taken up.",
    )
    memory_file: Path | None = Field(
        None,
        description="File that remembers the log's newest checkpoint; best on a disk that is not "
        "restored together with the database. Empty: in the data folder, for development alone.",
    )
    signer_key_file: Path | None = Field(
        None, description="File that opens the signer's keys instead; for its process alone."
    )
    signer_socket: Path | None = Field(
        None, description="Socket of a running `primafacie signer`; empty: each worker starts one."
    )
    signer_book: Path | None = Field(
        None,
        description="The signer's own book (ledger/signatures), or a fresh copy of it, where "
        "signer_socket leads to one with a data folder of its own: `audit verify` compares it.",
    )
    pkcs11_module: Path | None = Field(
        None, description="PKCS #11 library that holds the C2PA key; empty: the keyring holds it."
    )
    pkcs11_token: str = Field("", description="Label of the token in that library.")
    pkcs11_key: str = Field("primafacie", description="Label of the key pair on that token.")
    pkcs11_pin_file: Path | None = Field(None, description="File with the token's PIN.")
    public_url: str = Field(
        "http://localhost:8000",
        description="Address under which others reach the console; passkeys belong to its name. "
        "Without one, this machine's own name and the port.",
    )
    host: str = Field("127.0.0.1", description="Address the console listens on.")
    port: int = Field(8000, ge=1, le=65535, description="Port the console listens on.")
    proxies: int = Field(
        0, ge=0, le=8, description="Trusted proxies in front; each adds to X-Forwarded-For."
    )
    web_threads: int = Field(16, ge=2, le=256, description="Threads of the web server.")
    session_minutes: int = Field(60, ge=5, le=720, description="Idle minutes until sign-in again.")
    link_days: int = Field(7, ge=1, le=30, description="Days a consent link stays usable.")
    consent_days: int = Field(365, ge=1, le=3653, description="Longest validity the forms offer.")
    output_days: int = Field(90, ge=1, le=3653, description="Days a sealed file is kept.")
    upload_days: int = Field(30, ge=1, le=365, description="Days a request's uploads are kept.")
    daily_quota: int = Field(20, ge=1, le=10_000, description="Outputs a day for a new account.")
    record_days: int = Field(
        1095, ge=1, le=3653, description="Days an ended consent is kept to answer for its videos."
    )
    draft_days: int = Field(
        30, ge=1, le=365, description="Days an invitation that came to nothing is kept."
    )
    mail_from: str = Field("consent@example.org", description="Sender of the mails to subjects.")
    smtp_host: str = Field(
        "", description="Mail server; empty: mails lie as a Maildir in the data folder."
    )
    smtp_port: int = Field(587, ge=1, le=65535, description="Port of the mail server.")
    smtp_tls: bool = Field(True, description="STARTTLS with the mail server.")
    smtp_user: str = Field("", description="Name at the mail server.")
    smtp_password_file: Path | None = Field(
        None, description="File whose first line is the password at the mail server."
    )
    max_photo_bytes: int = Field(
        15_000_000, ge=10_000, le=100_000_000, description="Largest photo, in bytes."
    )
    max_voice_bytes: int = Field(
        30_000_000, ge=10_000, le=200_000_000, description="Largest voice clip, in bytes."
    )
    max_video_bytes: int = Field(
        80_000_000, ge=10_000, le=500_000_000, description="Largest consent video, in bytes."
    )
    queue: str = Field("cpu", pattern=r"^[a-z0-9]{1,16}$", description="Queue a worker serves.")
    lease_seconds: float = Field(
        10.0, ge=1.0, le=300.0, description="A worker silent for so long has lost its request."
    )
    claim_chain: Path | None = Field(
        None, description="PEM chain of the C2PA signing certificate; empty: the keyring's own."
    )
    claim_key: Path | None = Field(None, description="PEM key of the C2PA signing certificate.")
    trust_anchor: Path | None = Field(None, description="PEM root of the C2PA signing chain.")
    tsa_url: str = Field("", description="RFC 3161 time stamp service; empty: the keyring's own.")
    tsa_anchor: Path | None = Field(None, description="PEM root of the time stamp service.")
    motion_engine: EngineSetting = Field(
        EngineSetting(name="speech-motion"), description="Engine that makes movement from a voice."
    )
    render_engine: EngineSetting = Field(
        EngineSetting(name="photo-warp"), description="Engine that draws frames from movement."
    )
    face_points: EngineSetting = Field(
        EngineSetting(name="dlib-68"),
        description="What finds the points of a face: dlib-68, or face-mesh with MediaPipe's "
        "face_landmark.tflite, its sha256 and its licence.",
    )
    face_weights: Path | None = Field(
        None, description="Weights of InceptionResnetV1 for the face gate; empty: dlib's."
    )
    face_weights_sha256: str = Field(
        "", pattern=r"^([0-9a-f]{64})?$", description="Digest of that file."
    )
    face_match_distance: float | None = Field(
        None,
        ge=0.2,
        le=1.0,
        description="Distance of unit vectors at which you measured that these weights, and no "
        "others, keep to the false match rate you answer for; it takes the place of dlib's 0.50. "
        "The digest of the rules covers it: it decides nothing until the rules are in force anew.",
    )
    former_faces: tuple[FaceSetting, ...] = Field(
        (),
        description="Weights used before, each with file, sha256 and match_distance: entries of "
        "the never-me list that they described are compared by them until they are renewed.",
    )
    notices_dir: Path | None = Field(
        None, description="Folder of your own notices, a file a language; empty: ours."
    )
    strict_faces: bool = Field(
        False,
        description="Whatever a consent says: faces must lie within 0.40, and a reviewer confirms "
        "each match before a video is made.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least severe line that is written to stderr."
    )

    @property
    def production(self) -> bool:
        """Is this the real thing?"""
        return self.mode == "production"

    @property
    def url(self) -> str:
        """The database's SQLAlchemy URL."""
        return self.database_url or f"sqlite:///{(self.data_dir / 'primafacie.db').absolute()}"

    @property
    def ledger(self) -> Path:
        """The studio's own book of spent permits."""
        return self.data_dir.absolute() / "ledger" / "spent"

    @property
    def signatures(self) -> Path:
        """The signer's own book, beside the studio's."""
        return self.ledger.with_name("signatures")

    @property
    def memory(self) -> Path:
        """The file that remembers the log's newest checkpoint."""
        return (self.memory_file or self.data_dir / "memory" / "checkpoints").absolute()

    @field_validator("log_origin")
    @classmethod
    def _origin(cls, value: str) -> str:
        if not value or any(c.isspace() or c == "+" for c in value):
            raise ValueError("a log origin has neither blanks nor a plus sign")
        return value

    @field_validator("public_url")
    @classmethod
    def _public(cls, value: str) -> str:
        if not value.startswith(("http://", "https://")):
            raise ValueError("a public address begins with http:// or https://")
        return value.rstrip("/")

    @model_validator(mode="before")
    @classmethod
    def _own_address(cls, given: Any) -> Any:
        """Whoever serves on another port is reached there."""
        if isinstance(given, dict) and given.get("port") and not given.get("public_url"):
            return {**given, "public_url": f"http://localhost:{given['port']}"}
        return given

    @model_validator(mode="after")
    def _complete(self) -> Settings:
        if self.passphrase_file and self.key_file:
            raise ValueError("name a passphrase file or a key file, not both")
        if len({bool(self.claim_chain), bool(self.claim_key), bool(self.trust_anchor)}) != 1:
            raise ValueError("claim_chain, claim_key and trust_anchor belong together")
        if (
            len({bool(self.pkcs11_module), bool(self.pkcs11_token), bool(self.pkcs11_pin_file)})
            != 1
        ):
            raise ValueError("pkcs11_module, pkcs11_token and pkcs11_pin_file belong together")
        if self.pkcs11_module and self.claim_key:
            raise ValueError("name a claim_key or a pkcs11_module, not both")
        names = [parse_vkey(one.vkey).name for one in self.witnesses]
        if len({*names, self.log_origin}) != len(names) + 1:
            raise ValueError("each witness bears a name of its own, and none that of the log")
        if self.witness_quorum > len(names):
            raise ValueError("witness_quorum asks for more witnesses than there are")
        if self.smtp_user and not self.smtp_tls:
            raise ValueError("a password goes to the mail server under TLS alone")
        named = bool(self.face_weights), bool(self.face_weights_sha256)
        if len({*named, self.face_match_distance is not None}) != 1:
            raise ValueError(
                "face_weights, face_weights_sha256 and face_match_distance belong together"
            )
        if bool(self.tsa_url) != bool(self.tsa_anchor):
            raise ValueError("tsa_url and tsa_anchor belong together")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, environment, TOML file: in this order, and nothing else."""
        toml = TomlConfigSettingsSource(settings_cls, os.environ.get(CONFIG, CONFIG_FILE))
        return init_settings, env_settings, toml

    @classmethod
    def read(cls, **given: Any) -> Settings:
        """The settings. Raises SettingsError naming every bad or unknown one."""
        _check_config()
        known = {f"{PREFIX}{name}".upper() for name in cls.model_fields} | NOT_SETTINGS
        unknown = sorted(n for n in os.environ if n.startswith(PREFIX) and n not in known)
        if unknown:
            raise SettingsError(f"there is no setting of this name: {', '.join(unknown)}")
        try:
            return cls(**given)
        except ValidationError as error:
            raise SettingsError(_explain(error)) from error
        except ValueError as error:  # the TOML file itself does not parse
            raise SettingsError(f"the settings file is not TOML: {error}") from error


def _check_config() -> None:
    named = os.environ.get(CONFIG)
    if named is not None and not Path(named).is_file():
        raise SettingsError(f"{CONFIG} names a file that is not there: {named}")


def _explain(error: ValidationError) -> str:
    """Each problem with the setting's name; values are left out, they may be secret."""
    lines = []
    for problem in error.errors(include_input=False, include_url=False):
        name = ".".join(str(part) for part in problem["loc"]) or "settings"
        lines.append(f"{name}: {problem['msg']}")
    return "; ".join(lines)
