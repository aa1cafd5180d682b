"""Failures of the store that holds artifacts: S3, Azure Blob and the like, reached by their own libraries."""

from __future__ import annotations

from tiltyard.errors import MissingExtraError, TiltyardError, UnavailableError
from tiltyard.redact import without_passwords

# By the package that is missing, or whose error it is: what the store is called here, and the extra that brings it.
_STORES = {
    "azure": ("Azure Blob", "azure"),
    "google.api_core": ("Google Cloud Storage", "google"),
    "google.auth": ("Google Cloud Storage", "google"),
    "google.cloud": ("Google Cloud Storage", "google"),
    "boto3": ("S3", "s3"),
    "botocore": ("S3", "s3"),
    "s3transfer": ("S3", "s3"),
}


def store_error(error: Exception) -> TiltyardError | None:
    """The error in this house's words, if it is one of a store; None for any other."""
    if isinstance(error, ModuleNotFoundError):
        missing = "google.cloud" if error.name == "google" else error.name or ""
        store = _find_store(missing)
        return MissingExtraError(f"Artifacts in {store[0]}", store[1]) if store else None
    store = next((found for kind in type(error).__mro__ if (found := _find_store(kind.__module__))), None)
    if store is None:
        return None
    said = without_passwords((str(error).strip() or type(error).__name__).splitlines()[0])
    return UnavailableError(
        f"The artifacts in {store[0]} cannot be reached or written: {said}",
        next_step="Check TILTYARD_ARTIFACTS, that the bucket or container is there, and the credentials of this host.",
        code="artifacts.unavailable",
    )


def _find_store(module: str) -> tuple[str, str] | None:
    """The store of a library's module: by its package, or by the part of a package that several libraries share."""
    parts = module.split(".")
    return _STORES.get(parts[0]) or _STORES.get(".".join(parts[:2]))
