"""Ed25519 signatures of versions (RFC 8032): who packaged a version, and whose versions this host takes.

What is signed are the exact bytes of the manifest, which holds the digest of every other file. Keys come from the
host's environment and never from a version: a version names the key that signed it, and nothing more.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import BaseModel, ConfigDict, Field

from tiltyard.errors import ArtifactError, UsageError
from tiltyard.settings import Settings

SIGNATURE = "tiltyard/manifest.sig"
ALGORITHM = "Ed25519"
SIGNING_KEY = "TILTYARD_SIGNING_KEY"
TRUSTED_KEYS = "TILTYARD_TRUSTED_KEYS"


class Signature(BaseModel):
    """What the signature file holds.

    Attributes:
        algorithm: ``Ed25519``.
        key_id: which key signed; see ``PublicKey.id``.
        signature: the 64 bytes, in base64.
    """

    model_config = ConfigDict(frozen=True)

    algorithm: str
    key_id: str = Field(pattern="^[0-9a-f]{16}$")
    signature: str


@dataclass(frozen=True)
class PublicKey:
    """An Ed25519 public key.

    Attributes:
        raw: its 32 bytes.
    """

    raw: bytes

    @property
    def id(self) -> str:
        """The first 16 hexadecimal digits of the SHA-256 of its bytes."""
        return hashlib.sha256(self.raw).hexdigest()[:16]

    @property
    def text(self) -> str:
        """The key in base64, as the settings take it."""
        return base64.b64encode(self.raw).decode()

    @property
    def pem(self) -> bytes:
        """The key as a PEM file."""
        return Ed25519PublicKey.from_public_bytes(self.raw).public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def verifies(self, content: bytes, signature: bytes) -> bool:
        """Whether this key's owner signed exactly this content."""
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, content)
        except (InvalidSignature, ValueError):
            return False
        return True


@dataclass(frozen=True)
class Signer:
    """An Ed25519 private key; it is not shown when the object is printed.

    Attributes:
        seed: its 32 bytes.
    """

    seed: bytes = field(repr=False)

    @property
    def public(self) -> PublicKey:
        """The key that verifies what this one signs."""
        return PublicKey(self._key.public_key().public_bytes_raw())

    @property
    def text(self) -> str:
        """The private key in base64, as the settings take it."""
        return base64.b64encode(self.seed).decode()

    @property
    def pem(self) -> bytes:
        """The private key as a PEM file (PKCS 8), not encrypted."""
        return self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def sign(self, content: bytes) -> bytes:
        """The content of the signature file for this content."""
        signature = base64.b64encode(self._key.sign(content)).decode()
        made = Signature(algorithm=ALGORITHM, key_id=self.public.id, signature=signature)
        return made.model_dump_json(indent=1).encode()

    @property
    def _key(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.seed)


@dataclass(frozen=True)
class KeyRing:
    """The keys by which a host verifies signatures.

    Attributes:
        trusted: keys of which one must have signed a version; if there are none, no signature is required.
        own: the key that this host signs with; where it is named as the signer it must have signed, whether or not
            any key is trusted.
    """

    trusted: tuple[PublicKey, ...] = ()
    own: PublicKey | None = None

    def signed_by(self, content: bytes, stored: bytes | None, version: str) -> str | None:
        """The id of the key of this ring that signed; None where none did and none had to.

        Args:
            content: the bytes that were signed.
            stored: the content of the signature file; None if there is no such file.
            version: what was signed, for messages.

        Raises:
            ArtifactError: ``artifact.unsigned``, ``artifact.signature`` or ``artifact.foreign-key``.
        """
        if stored is None:
            if self.trusted:
                raise _unsigned_error(version, self.trusted)
            return None
        signature, raw = _parse_signature(stored, version)
        verifying = self.trusted or ((self.own,) if self.own else ())
        named = [key for key in verifying if key.id == signature.key_id]
        if not named:
            if self.trusted:
                raise _foreign_key_error(version, signature.key_id, self.trusted)
            return None
        if signature.algorithm != ALGORITHM or not any(key.verifies(content, raw) for key in named):
            raise ArtifactError(
                f"The signature of {version} by the key {signature.key_id} is not one of its manifest: "
                "the version was changed after it was signed, and was not loaded.",
                next_step="Find out who touched it; then delete the cached copy, or train a new version.",
                code="artifact.signature",
                key_id=signature.key_id,
            )
        return signature.key_id


NO_KEYS = KeyRing()


def new_signer() -> Signer:
    """A new key pair from the operating system's random numbers."""
    return Signer(Ed25519PrivateKey.generate().private_bytes_raw())


def host_signer(settings: Settings) -> Signer | None:
    """The key that this host signs new versions with; None if it does not sign.

    Raises:
        UsageError: TILTYARD_SIGNING_KEY is not a private key, or its file cannot be read.
    """
    given = settings.signing_key.get_secret_value().strip() if settings.signing_key else ""
    return Signer(_load_key_file(given, SIGNING_KEY, settings.root, _private)) if given else None


def host_keys(settings: Settings) -> KeyRing:
    """The keys by which this host verifies versions.

    Raises:
        UsageError: a key cannot be used; or the signing key is one of the trusted, and so public, ones.
    """
    trusted = tuple(
        PublicKey(_load_key_file(given, f"{TRUSTED_KEYS}[{number}]", settings.root, _public))
        for number, given in enumerate(settings.trusted_keys)
    )
    signer = host_signer(settings)
    if signer is not None and any(key.raw == signer.seed for key in trusted):
        # In base64 the two look alike; a public key as the secret would let anybody sign.
        raise UsageError(
            f"{SIGNING_KEY} and {TRUSTED_KEYS} hold the same key: one of them has the wrong half of the pair.",
            next_step="Make a new pair with: tiltyard keys generate",
            code="key.confused",
        )
    return KeyRing(trusted, signer.public if signer else None)


def key_file(given: str, root: Path) -> Path | None:
    """The file that a setting of the form ``@FILE`` names; None where the setting is the key itself."""
    return root / Path(given.strip()[1:].strip()).expanduser() if given.strip().startswith("@") else None


def _load_key_file(given: str, name: str, root: Path, load: Callable[[str], bytes]) -> bytes:
    file = key_file(given, root)
    try:
        # Environment files often hold a PEM on one line, with its line ends written out.
        return load(file.read_text("ascii") if file else given.replace("\\n", "\n"))
    except OSError as error:
        raise UsageError(
            f"{name} names the file {file}, which cannot be read: {error.strerror}.",
            next_step="Correct the path or the file's permissions; or make a pair with: tiltyard keys generate",
            code="key.unreadable",
        ) from None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # The cause is left out: it may hold the key.
        raise UsageError(
            f"{name} is not an Ed25519 {'private' if load is _private else 'public'} key.",
            next_step="Give an unencrypted PEM, its 32 bytes in base64, or @FILE; or make a pair with: "
            "tiltyard keys generate",
            code="key.invalid",
        ) from None


def _private(text: str) -> bytes:
    if "-----BEGIN" not in text:
        return _raw(text)
    key = serialization.load_pem_private_key(text.strip().encode("ascii"), password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError("another kind of key")
    return key.private_bytes_raw()


def _public(text: str) -> bytes:
    if "-----BEGIN" not in text:
        return _raw(text)
    key = serialization.load_pem_public_key(text.strip().encode("ascii"))
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError("another kind of key")
    return key.public_bytes_raw()


def _raw(text: str) -> bytes:
    raw = base64.b64decode(text.strip(), validate=True)
    if len(raw) != 32:
        raise ValueError("another length")
    return raw


def _parse_signature(stored: bytes, version: str) -> tuple[Signature, bytes]:
    try:
        signature = Signature.model_validate_json(stored)
        return signature, base64.b64decode(signature.signature, validate=True)
    except ValueError:
        raise ArtifactError(
            f"The signature file of {version} cannot be read; the version was not loaded.",
            next_step="Fetch the version again, or train a new one.",
            code="artifact.signature",
        ) from None


def _unsigned_error(version: str, trusted: tuple[PublicKey, ...]) -> ArtifactError:
    ids = [key.id for key in trusted]
    return ArtifactError(
        f"There is no signature of {version}, and this host takes only versions signed by {_either(ids)}; "
        "it was not loaded.",
        next_step=f"Train a version where {SIGNING_KEY} is set to one of these keys.",
        code="artifact.unsigned",
        trusted=ids,
    )


def _foreign_key_error(version: str, key_id: str, trusted: tuple[PublicKey, ...]) -> ArtifactError:
    ids = [key.id for key in trusted]
    return ArtifactError(
        f"The signature of {version} is by the key {key_id}, and this host takes only versions signed by "
        f"{_either(ids)}; it was not loaded.",
        next_step=f"If you know whose key that is and trust it, add the public key to {TRUSTED_KEYS}.",
        code="artifact.foreign-key",
        key_id=key_id,
        trusted=ids,
    )


def _either(ids: list[str]) -> str:
    return ids[0] if len(ids) == 1 else f"one of {', '.join(ids)}"
