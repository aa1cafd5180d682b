"""Which version a package is: its name is in the signed manifest, its number in a seal.

The number is given by the registry, after the manifest was signed. So who registers a version on a host with a signing
key seals it: a second signature, over the model's name, the number and the digest of the manifest, which is kept as a
tag of the version. Registered again under another number, or under another model, the same files have no seal that
fits.
"""

from __future__ import annotations

import hashlib

from tiltyard.errors import ArtifactError
from tiltyard.registry.package.manifest import Verified
from tiltyard.registry.package.signing import NO_KEYS, KeyRing, Signer
from tiltyard.registry.ports import VersionInfo

SEAL_TAG = "tiltyard.seal"


def seal(signer: Signer, name: str, version: str, manifest: bytes) -> str:
    """The tag that binds a signed manifest to a model and a version number.

    Args:
        signer: the key of the host that registers.
        name: the registered model.
        version: the registry's number.
        manifest: the bytes of the manifest.
    """
    return signer.sign(_seal_content(name, version, hashlib.sha256(manifest).hexdigest())).decode()


def check_identity(verified: Verified, info: VersionInfo, keys: KeyRing = NO_KEYS) -> None:
    """Make sure that verified files are those of this version.

    Args:
        verified: the version's files, whose signature and digests were checked.
        info: the version that they were fetched for.
        keys: the keys by which this host verifies; without trusted ones no seal is required.

    Raises:
        ArtifactError: ``artifact.other-model``, ``artifact.unsealed`` or ``artifact.other-version``.
    """
    made_for = verified.manifest.model_name
    if made_for and made_for != info.name:
        raise ArtifactError(
            f"The files of version {info.version} of {info.name} were packaged as a version of {made_for}; it was not "
            "loaded.",
            next_step=f"Find out who registered it; a version of {made_for} is registered under that name.",
            code="artifact.other-model",
            model=made_for,
        )
    if not keys.trusted:
        return
    stored = info.tags.get(SEAL_TAG)
    if stored is None:
        raise ArtifactError(
            f"Version {info.version} of {info.name} has no seal: it is signed, but may be an older version that was "
            "registered again; it was not loaded.",
            next_step=f"If it is meant, seal it where the signing key is: tiltyard keys seal {info.version}",
            code="artifact.unsealed",
        )
    content = _seal_content(info.name, info.version, verified.digest)
    try:
        keys.signed_by(content, stored.encode(), f"version {info.version} of {info.name}")
    except ArtifactError:
        raise ArtifactError(
            f"The seal of version {info.version} of {info.name} is not of this version: its files are those of another "
            "one, registered again, or the seal is not by a key that this host trusts; it was not loaded.",
            next_step="Find out who registered it; go back to a version that you know: tiltyard rollback --reason …",
            code="artifact.other-version",
        ) from None


def _seal_content(name: str, version: str, digest: str) -> bytes:
    # Its own first line, and no line breaks in names: a seal can never be read as a signature of a manifest.
    return f"tiltyard seal 1\n{name!r}\n{version}\n{digest}\n".encode()
