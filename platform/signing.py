"""Signing: the process that holds the C2PA key, and the worker's way to ask it.

A worker starts a signer of its own and it ends with the worker; or `signer_socket` names one that
somebody else runs (`primafacie signer`). Only that process opens the signer's part of the keyring.
It looks at the keyring's file before each answer, so a rotated key is used at once. Where no
time-stamp authority is named, it also tells the time.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from primafacie.generator.child import Child, Wire
from primafacie.generator.errors import EngineError
from primafacie.platform.errors import KeyringError, SettingsError
from primafacie.platform.keys import keyring_state, open_signer
from primafacie.platform.settings import Settings
from primafacie.safeguards.errors import ManifestError
from primafacie.safeguards.provenance.signer import (
    ClaimKey,
    Desk,
    PemKey,
    SocketSigner,
    Standing,
    harden,
    serve,
)

START: Final = 60.0  # seconds a signer may take to start on a loaded machine


class WorkerSigner:
    """A ClaimSigner over the signer's process. Not thread-safe: one worker, one signer.

    The process is started when this object is made, so that it is ready when a film is; one that
    died is started again for the next film. `on_signature`: see SocketSigner.
    """

    def __init__(self, settings: Settings, on_signature: Callable[[str, str], None]) -> None:
        self._settings, self._on_signature = settings, on_signature
        self._child: Child | None = None
        self._folder: Path | None = None
        self._asked: SocketSigner | None = None
        if settings.signer_socket:
            self._asked = SocketSigner(settings.signer_socket, on_signature)
        else:
            self._start()

    @property
    def chain_pem(self) -> bytes:
        """The certificates in use now, leaf first."""
        return self._signer().chain_pem

    @property
    def tsa_url(self) -> str:
        """The time-stamp authority."""
        return self._signer().tsa_url

    @property
    def pid(self) -> int:
        """The process id of a signer of our own, else 0."""
        return self._child.pid if self._child else 0

    def sign(self, tbs: bytes, rid: str = "") -> bytes:
        """Signature of a claim; ManifestError when the signer refuses or is gone."""
        if self._asked is None:
            raise ManifestError("the signer cannot be reached; no video is made without it")
        return self._asked.sign(tbs, rid)

    def close(self) -> None:
        """End a signer of our own."""
        if self._child is not None:
            self._child.stop()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._child = self._folder = None

    def __enter__(self) -> WorkerSigner:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start(self) -> None:
        self.close()
        # Of its own and short: a socket's path has room for some hundred characters.
        self._folder = Path(tempfile.mkdtemp(prefix="primafacie-"))
        self._asked = None
        self._child = Child(__name__)
        chosen = self._settings.model_dump(mode="json")
        self._child.wire.send_json({"settings": chosen, "path": str(self._folder / "signer")})

    def _signer(self) -> SocketSigner:
        """The desk, once its process says that it listens."""
        if self._child is not None and not self._child.alive:
            self._start()
        if self._asked is None:
            assert self._child is not None and self._folder is not None
            try:
                said = self._child.wire.receive_json(START)
            except EngineError as error:
                raise ManifestError("the signer did not start; no video is made") from error
            if "refused" in said:
                raise ManifestError(f"the signer did not start: {said['refused']}")
            self._asked = SocketSigner(self._folder / "signer", self._on_signature)
        return self._asked


# in the signer's process -----------------------------------------------------------------------


class Keeper:
    """Tells the desk what to sign with, as the keyring and the settings say at that moment."""

    def __init__(self, settings: Settings) -> None:
        """Opens the signer's part. Raises KeyringError, SettingsError or ManifestError."""
        self._settings = settings
        self._lock = threading.Lock()
        self._seen: tuple[int, int] | None = None
        self._clocks = contextlib.ExitStack()
        self._clock_chain, self._clock_url = b"", settings.tsa_url
        self.standing()

    def standing(self) -> Standing:
        """Certificate, clock and key. Raises ManifestError."""
        with self._lock:
            try:
                seen = keyring_state(self._settings)
                if seen != self._seen:
                    self._standing, self._seen = self._opened(), seen
            except (KeyringError, SettingsError) as error:
                raise ManifestError(str(error)) from error
            return self._standing

    def close(self) -> None:
        """Stop the clock."""
        self._clocks.close()

    def _opened(self) -> Standing:
        held, settings = open_signer(self._settings), self._settings
        if not settings.tsa_url and held.time_chain != self._clock_chain:
            from primafacie.safeguards.provenance.timestamp import LocalTsa

            self._clocks.close()
            self._clock_url = self._clocks.enter_context(LocalTsa(held.time)).url
            self._clock_chain = held.time_chain
        chain = read_pem(settings.claim_chain) or held.claim_chain
        standing = Standing(chain, self._clock_url, claim_key(settings, held.claim_key))
        standing.check()
        return standing


def claim_key(settings: Settings, held: bytes = b"") -> ClaimKey:
    """The key that signs claims: the module's, the operator's file, or `held` from the keyring.

    Raises SettingsError or ManifestError.
    """
    if settings.pkcs11_module and settings.pkcs11_pin_file:
        from primafacie.safeguards.provenance.hsm import ModuleKey

        pin = read_pem(settings.pkcs11_pin_file).decode("ascii", "replace").strip()
        return ModuleKey(settings.pkcs11_module, settings.pkcs11_token, settings.pkcs11_key, pin)
    return PemKey(read_pem(settings.claim_key) or held)


def read_pem(file: Path | None) -> bytes:
    """The file's bytes, empty where none is named. Raises SettingsError."""
    if file is None:
        return b""
    try:
        return file.read_bytes()
    except OSError as error:
        raise SettingsError(f"{file.name} cannot be read: {error.strerror}") from error


def desk(settings: Settings, keeper: Keeper, uids: frozenset[int] = frozenset()) -> Desk:
    """The desk of this installation, with its ledger beside the log's."""
    folder = settings.data_dir / "ledger"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return Desk(keeper.standing, settings.signatures, uids)


def main() -> None:
    """A worker's own signer: take the settings, listen, sign, until the worker hangs up."""
    harden()
    launcher = socket.socket(fileno=int(sys.argv[1]))
    wire = Wire(launcher)
    told = wire.receive_json()
    path = Path(told["path"])
    try:
        settings = Settings(**told["settings"])
        keeper = Keeper(settings)
    except (KeyringError, SettingsError, ManifestError, ValueError) as error:
        wire.send_json({"refused": str(error)})
        return
    try:
        serve(path, desk(settings, keeper), launcher, lambda: wire.send_json({"ready": True}))
    finally:
        keeper.close()
        shutil.rmtree(path.parent, ignore_errors=True)


if __name__ == "__main__":
    main()
    sys.exit(0)
