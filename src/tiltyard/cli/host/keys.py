"""``tiltyard keys``: the keys that sign versions; for the API's keys see ``cli/host/api_keys.py``."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Mapping
from pathlib import Path

import click

from tiltyard.cli.host.api_keys import api_group
from tiltyard.cli.options import json_option, model_option, project_option
from tiltyard.cli.output import console, print_json
from tiltyard.cli.versions.find_project import find_project
from tiltyard.errors import UsageError

ONLY_OWNER = 0o600


@click.group()
def keys_group() -> None:
    """Create keys: to sign versions, and API keys for the server."""


keys_group.add_command(api_group)


@keys_group.command()
@click.option(
    "--to",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    help="Write the private key to this file and the public key to FILE.pub.  [default: print both]",
)
@json_option
def generate_command(file: Path | None, as_json: bool) -> None:
    """Create a new Ed25519 key pair.

    Set TILTYARD_SIGNING_KEY to the private key where versions are trained, and add the public key to
    TILTYARD_TRUSTED_KEYS where versions are served. --to writes the private key to a file that only its owner can read,
    and does not print it.
    """
    from tiltyard.registry.package.signing import SIGNING_KEY, TRUSTED_KEYS, new_signer

    signer = new_signer()
    result = {"key_id": signer.public.id, "public_key": signer.public.text}
    if file is None:
        result["signing_key"] = signer.text
    else:
        secret, public = file.expanduser().absolute(), file.expanduser().absolute().with_name(f"{file.name}.pub")
        _write_new({secret: signer.pem, public: signer.public.pem})
        result |= {"signing_key_file": str(secret), "public_key_file": str(public)}
    if as_json:
        print_json(result)
        return
    setting = result.get("signing_key") or f"@{result['signing_key_file']}"
    console.print(f"Key {signer.public.id}", markup=False)
    console.print(f"Where versions are trained (keep it secret):\n  {SIGNING_KEY}={setting}", markup=False)
    console.print(f"Where versions are loaded:\n  {TRUSTED_KEYS}='{json.dumps([signer.public.text])}'", markup=False)


@keys_group.command("seal")
@click.argument("version")
@project_option
@model_option
@json_option
def seal_version_command(version: str, project_path: Path | None, model_name: str | None, as_json: bool) -> None:
    """Bind a version that this host has signed to its name and number.

    Registration seals a version; use this command for versions that were registered elsewhere or earlier.
    """
    from tiltyard import wiring
    from tiltyard.registry.package.signing import SIGNING_KEY

    project = find_project(project_path, model_name, quiet=True)
    registry = wiring.open_registry(wiring.load_settings(project))
    info = registry.seal(registry.get_version(project.model_name, version=version))
    if info is None:
        raise UsageError(
            f"Version {version} of {project.model_name} was not sealed: this host did not sign it.",
            next_step=f"Run this where {SIGNING_KEY} is the key that signed it.",
            code="key.not-own",
        )
    if as_json:
        print_json({"model": info.name, "version": info.version, "sealed": True})
    else:
        console.print(f"Version {info.version} of {info.name} is sealed.")


def _write_new(files: Mapping[Path, bytes]) -> None:
    """Write files that only their owner can read; never replace a key, since versions may be signed with it."""
    existing = next((file for file in files if file.exists() or file.is_symlink()), None)
    try:
        if existing is not None:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(existing))
        for file, content in files.items():
            with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, ONLY_OWNER), "wb") as stream:
                stream.write(content)
    except OSError as error:
        raise UsageError(
            f"The key cannot be written to {error.filename}: {error.strerror}.",
            next_step="Name a new file in an existing folder that you can write to.",
            code="key.file",
        ) from None
