"""A claim-signing key in a PKCS #11 module: a token, a card, a network HSM. It never leaves it.

Needs the extra `hsm` (python-pkcs11). One session per signature: modules differ in what they allow
between threads, and a signature is rare.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from primafacie.safeguards.errors import ManifestError

P256_OID = "1.2.840.10045.3.1.7"


class ModuleKey:
    """A ClaimKey: the P-256 pair named `label` on the token named `token`.

    `module` is the vendor's library, `pin` the user's. Every use raises ManifestError when the
    module, the token or the key is not there or the PIN is wrong.
    """

    def __init__(self, module: Path, token: str, label: str, pin: str) -> None:
        self._module, self._token, self._label, self._pin = module, token, label, pin
        self._lock = threading.Lock()

    @property
    def public_pem(self) -> bytes:
        """The public half, as the module tells it."""
        from pkcs11 import ObjectClass
        from pkcs11.util.ec import encode_ec_public_key

        with self._session() as session:
            key = session.get_key(object_class=ObjectClass.PUBLIC_KEY, label=self._label)
            return _pem(encode_ec_public_key(key))

    def sign(self, data: bytes) -> bytes:
        """The signature as r||s; the hash is made here, for not every module makes it."""
        from pkcs11 import Mechanism, ObjectClass

        with self._session() as session:
            key = session.get_key(object_class=ObjectClass.PRIVATE_KEY, label=self._label)
            return bytes(key.sign(hashlib.sha256(data).digest(), mechanism=Mechanism.ECDSA))

    def generate(self) -> None:
        """Make the pair in the module: the private half can be neither read nor taken out."""
        import pkcs11
        from pkcs11.util.ec import encode_named_curve_parameters

        with self._session(writing=True) as session:
            parameters = session.create_domain_parameters(
                pkcs11.KeyType.EC,
                {pkcs11.Attribute.EC_PARAMS: encode_named_curve_parameters(P256_OID)},
                local=True,
            )
            parameters.generate_keypair(
                mechanism=pkcs11.Mechanism.EC_KEY_PAIR_GEN,
                label=self._label,
                store=True,
                capabilities=pkcs11.MechanismFlag.SIGN | pkcs11.MechanismFlag.VERIFY,
                private_template={
                    pkcs11.Attribute.SENSITIVE: True,
                    pkcs11.Attribute.EXTRACTABLE: False,
                },
            )

    @contextmanager
    def _session(self, writing: bool = False) -> Iterator[Any]:
        try:
            import pkcs11
        except ImportError as error:
            raise ManifestError("a PKCS #11 module needs the extra hsm") from error
        with self._lock:
            try:
                token = pkcs11.lib(str(self._module)).get_token(token_label=self._token)
                with token.open(user_pin=self._pin, rw=writing) as session:
                    yield session
            except (pkcs11.PKCS11Error, RuntimeError, OSError) as error:
                what = str(error) or type(error).__name__
                raise ManifestError(f"the PKCS #11 module cannot be used: {what}") from error


def _pem(der: bytes) -> bytes:
    from cryptography.hazmat.primitives import serialization

    key = serialization.load_der_public_key(der)
    return key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
