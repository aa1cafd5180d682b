"""Files behind URLs: S3, Azure Blob, Google Cloud Storage, HTTPS, …; with failures in words that help."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from tiltyard.data.sources.files import Listing, SourceFile, is_hidden
from tiltyard.data.sources.location import Location
from tiltyard.errors import DataError, MissingExtraError, TiltyardError

CONNECT_SECONDS = 10
_S3 = frozenset({"s3", "s3a"})
_AZURE = frozenset({"az", "abfs", "abfss", "wasb", "wasbs"})
_GOOGLE = frozenset({"gs", "gcs"})
OBJECT_STORES = _S3 | _AZURE | _GOOGLE | {"adl", "oci"}
_NAMES = {
    **dict.fromkeys(_S3, "S3"),
    **dict.fromkeys(_AZURE, "Azure Blob"),
    **dict.fromkeys(_GOOGLE, "Google Cloud Storage"),
    "http": "HTTP",
    "https": "HTTPS",
    "memory": "memory",
}
_EXTRAS = {**dict.fromkeys(_AZURE, "azure"), **dict.fromkeys(_GOOGLE, "google")}
"""Of the schemes in ``_NAMES`` those that need another extra than ``s3``."""
_CREDENTIALS = {
    **dict.fromkeys(_S3, "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, and what they allow"),
    **dict.fromkeys(
        _AZURE,
        "AZURE_STORAGE_CONNECTION_STRING, or AZURE_STORAGE_ACCOUNT_NAME with a key or an identity of this host, and "
        "what they allow",
    ),
    **dict.fromkeys(_GOOGLE, "GOOGLE_APPLICATION_CREDENTIALS or the identity of this host, and what they allow"),
}


def open_storage(location: Location) -> tuple[Any, str]:
    """The fsspec file system of a URL, and the path in it.

    Stores take endpoints and credentials from the usual places: AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, AWS_PROFILE, …;
    AZURE_STORAGE_CONNECTION_STRING, AZURE_STORAGE_ACCOUNT_NAME, …; GOOGLE_APPLICATION_CREDENTIALS. Azure and Google
    also know a host by its identity.

    Raises:
        MissingExtraError: fsspec or its part for S3, Azure, Google or HTTP is not installed.
        DataError: the part of fsspec for another file system is not installed; or a key has a part that stores read
            in different ways.
    """
    scheme = location.scheme
    name = _NAMES.get(scheme, f"{scheme}://")
    if scheme in OBJECT_STORES:
        _check_key(location)
    try:
        import fsspec  # noqa: PLC0415

        # A new file system each time: a kept one would use yesterday's credentials and listings.
        filesystem, path = fsspec.core.url_to_fs(
            _name_for_fsspec(location), skip_instance_cache=True, use_listings_cache=False, **_storage_options(scheme)
        )
    except ImportError as error:
        if scheme in _NAMES:
            raise MissingExtraError(f"Reading from {name}", _EXTRAS.get(scheme, "s3")) from None
        raise DataError(
            f"Reading from {name} needs a package that is not installed: {location.reason(error)}.",
            next_step="Install it, or copy the data to S3 or a local file.",
            code="data.filesystem-missing",
        ) from None
    except ValueError as error:
        if scheme in _AZURE and "connection_string" in str(error):  # its own words for "no account is named"
            raise _forbidden_error(location, "no account is named") from None
        raise DataError(
            f"The address {location.written} cannot be understood: {location.reason(error)}.",
            next_step="Check it; a file in S3 is written s3://BUCKET/KEY, in Azure Blob az://CONTAINER/KEY.",
            code="data.source-unknown",
        ) from None
    return filesystem, str(path)


def _name_for_fsspec(location: Location) -> str:
    """The address; that of Azure Blob as MLflow and Hadoop write it is the same file under another name."""
    if location.scheme in ("wasb", "wasbs"):
        return f"abfss://{location.meant.partition('://')[2]}"
    return location.meant


def remote_files(location: Location) -> list[SourceFile]:
    """The files, or the one folder, that a URL or a glob of URLs stands for, in the order of their names.

    Raises:
        DataError: there is none, it may not be read, or its place cannot be reached.
    """
    with storage_error(location):
        filesystem, path = open_storage(location)
        # A question mark begins the query of a web address.
        web = location.scheme in ("http", "https")
        magic = "*[" if web else "*?["
        if any(character in path for character in magic):
            entries = _match_files(filesystem, path, location)
        elif location.meant.endswith("/") and not web:
            return [_remote_folder(filesystem, path, location)]
        else:
            entries = [filesystem.info(path)]
        if len(entries) == 1 and entries[0].get("type") == "directory":
            return [_remote_folder(filesystem, path, location)]
    return [_remote_file(filesystem, entry, location) for entry in entries]


@contextmanager
def storage_error(location: Location) -> Iterator[None]:
    """Turn the failures of a file system into data errors."""
    try:
        yield
    except (TiltyardError, UnicodeError):
        raise
    except Exception as error:
        if not _is_storage_failure(error):
            raise
        raise _name_bucket(location, error) from None


def _check_key(location: Location) -> None:
    """Refuse a key with an empty part, ``.`` or ``..``: for S3 it is another object than without, for others the same.

    Raises:
        DataError: it has one.
    """
    parts = location.meant.partition("://")[2].partition("?")[0].rstrip("/").split("/")
    odd = next((part for part in parts[1:] if part in ("", ".", "..")), None)
    if odd is not None:
        raise DataError(
            f"The key of {location.written} has "
            + (f"the part {odd!r}" if odd else "an empty part (two slashes, one after the other)")
            + ", which object stores read in different ways.",
            next_step="Write the key without it.",
            code="data.source-unknown",
        )


def _storage_options(scheme: str) -> dict[str, Any]:
    if scheme in _S3:
        return {"config_kwargs": {"connect_timeout": CONNECT_SECONDS, "retries": {"max_attempts": 2}}}
    if scheme in ("http", "https"):
        import aiohttp  # noqa: PLC0415

        # aiohttp's own limit of five minutes for all of a download would cut long ones.
        limits = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=60)
        return {"client_kwargs": {"timeout": limits, "trust_env": True}}
    return {}


def _match_files(filesystem: Any, path: str, location: Location) -> list[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = filesystem.glob(path, detail=True)
    files = [found[name] for name in sorted(found) if found[name].get("type") != "directory"]
    if not files:
        bucket = path.split("/", 1)[0]
        if location.scheme in _S3 | _AZURE | _GOOGLE and not any(character in bucket for character in "*?["):
            filesystem.ls(bucket)  # only a listing of the bucket itself says that it is missing
        raise DataError(
            f"No file fits data.source = {location.written!r}.",
            next_step="Check the pattern and the folder.",
            code="data.missing",
        )
    return files


def _remote_folder(filesystem: Any, path: str, location: Location) -> SourceFile:
    """A folder, or in an object store all whose keys begin with its name and a slash."""

    def opener() -> Any:
        raise IsADirectoryError(f"{location.written} is a folder")

    return SourceFile(
        location.written, None, opener, lister=lambda: _list_remote(filesystem, path.rstrip("/"), location)
    )


def _list_remote(filesystem: Any, folder: str, location: Location) -> Listing:
    files: dict[str, SourceFile] = {}
    hidden: set[str] = set()
    with storage_error(location):
        for name, entry in sorted(filesystem.find(folder, detail=True).items()):
            inner = str(name).removeprefix(f"{folder}/")
            if inner in ("", str(name)) or inner.endswith("/"):  # a key that stands for a folder
                continue
            found = next((part for part in inner.split("/") if is_hidden(part)), None)
            if found is not None:
                hidden.add(found)
            else:
                files[inner] = _remote_file(filesystem, entry, location)
        if not files and not hidden:
            filesystem.ls(folder.split("/", 1)[0])  # only a listing of the bucket itself says that it is missing
            raise DataError(
                f"There is nothing in {location.written}.",
                next_step="Check the address, bucket or container included.",
                code="data.missing",
            )
    return Listing(files, frozenset(hidden))


def _remote_file(filesystem: Any, entry: dict[str, Any], location: Location) -> SourceFile:
    path = str(entry["name"])
    name = path if "://" in path else f"{location.scheme}://{path.lstrip('/')}"
    size = entry.get("size")
    return SourceFile(
        location.hide(name),
        None if size is None else int(size),
        lambda: filesystem.open(path, "rb"),
        find_state=lambda: _find_state(filesystem, path),
    )


def _find_state(filesystem: Any, path: str) -> object:
    """Size, ETag, time and the like of a file, as far as its store says them; None where it says nothing now."""
    try:
        known = filesystem.info(path)
    except Exception as error:
        if not _is_storage_failure(error):
            raise
        return None
    return {key: value for key, value in known.items() if isinstance(value, int | float | str | datetime)}


_LIBRARIES = {"botocore", "aiohttp", "fsspec", "azure", "gcsfs", "google"}
_STATUS = ("status", "status_code", "code")
"""Where the libraries' errors have the status of a response."""
_NO_CREDENTIALS = (
    *("NoCredentialsError", "PartialCredentialsError"),
    *("ClientAuthenticationError", "CredentialUnavailableError"),
    *("DefaultCredentialsError", "RefreshError"),
)


def _name_bucket(location: Location, error: BaseException) -> DataError:
    if isinstance(error, FileNotFoundError) and _error_causes(error.__cause__) & {"aiohttp"}:
        error = error.__cause__ or error  # fsspec calls every HTTP error a missing file
    status = next((found for name in _STATUS if isinstance(found := getattr(error, name, None), int)), None)
    if isinstance(error, FileNotFoundError) or status in (404, 410):
        return DataError(
            f"There is nothing at {location.written}: {location.reason(error)}.",
            next_step="Check the address, bucket or container included.",
            code="data.missing",
        )
    without_credentials = type(error).__name__ in _NO_CREDENTIALS
    if isinstance(error, PermissionError) or without_credentials or status in (401, 403):
        return _forbidden_error(location, location.reason(error))
    return DataError(
        f"{location.written} cannot be reached: {location.reason(error)}.",
        next_step=f"Check the network and the address{_endpoint_hint(location)}, then try again.",
        code="data.unreachable",
    )


def _forbidden_error(location: Location, reason: str) -> DataError:
    step = "Check the user and password in the address, and what that user may do."
    if location.scheme in _CREDENTIALS:
        step = f"Check {_CREDENTIALS[location.scheme]}."
    return DataError(f"{location.written} may not be used: {reason}.", next_step=step, code="data.forbidden")


def _is_storage_failure(error: BaseException) -> bool:
    """Whether an error comes from a network or file system, without importing every library that may raise one."""
    return isinstance(error, OSError) or bool(_error_causes(error) & _LIBRARIES)


def _error_causes(error: BaseException | None) -> set[str]:
    """The libraries that an error's classes come from."""
    return {base.__module__.split(".", 1)[0] for base in type(error).__mro__}


def _endpoint_hint(location: Location) -> str:
    return " (AWS_ENDPOINT_URL included)" if location.scheme in _S3 else ""
