"""``tiltyard keys``: the keys that sign versions; those of the API are in ``cli/api_keys.py``."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Mapping
from pathlib import Path

import click

from tiltyard import wiring
from tiltyard.cli.host.api_keys import api
from tiltyard.cli.options import json_option, project_option
from tiltyard.cli.output import console, print_json
from tiltyard.errors import UsageError
from tiltyard.project import load_project
from tiltyard.registry.package.signing import SIGNING_KEY, TRUSTED_KEYS, new_signer

ONLY_OWNER = 0o600


@click.group()
def keys() -> None:
    """Make keys: those that sign versions, and those that the server asks for."""


keys.add_command(api)


@keys.command()
@click.option(
    "--to",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    help="Write the private key to this file and the public key beside it, to FILE.pub.  [default: print both]",
)
@json_option
def generate(file: Path | None, as_json: bool) -> None:
    """Make a new Ed25519 key pair.

    The private key goes where versions are trained, as TILTYARD_SIGNING_KEY; the public key goes wherever versions
    are served, into TILTYARD_TRUSTED_KEYS. With --to the private key is written to a file that only its owner can
    read, and is not shown.
    """
    signer = new_signer()
    shown = {"key_id": signer.public.id, "public_key": signer.public.text}
    if file is None:
        shown["signing_key"] = signer.text
    else:
        secret, public = file.expanduser().absolute(), file.expanduser().absolute().with_name(f"{file.name}.pub")
        _write_new({secret: signer.pem, public: signer.public.pem})
        shown |= {"signing_key_file": str(secret), "public_key_file": str(public)}
    if as_json:
        print_json(shown)
        return
    setting = shown.get("signing_key") or f"@{shown['signing_key_file']}"
    console.print(f"Key {signer.public.id}", markup=False)
    console.print(f"Where versions are trained (keep it secret):\n  {SIGNING_KEY}={setting}", markup=False)
    console.print(f"Where versions are loaded:\n  {TRUSTED_KEYS}='{json.dumps([signer.public.text])}'", markup=False)


@keys.command("seal")
@click.argument("version")
@project_option
@json_option
def seal_version(version: str, project_path: Path | None, as_json: bool) -> None:
    """Bind a version that this host's key has signed to its name and number.

    Versions are sealed when they are registered; this is for those that were registered elsewhere, or before.
    """
    project = load_project(project_path)
    registry = wiring.open_registry(wiring.load_settings(project))
    info = registry.seal(registry.get_version(project.model_name, version=version))
    if info is None:
        raise UsageError(
            f"Version {version} of {project.model_name} was not sealed: this host does not sign, or did not sign it.",
            next_step=f"Do it where {SIGNING_KEY} is the key that signed it.",
            code="key.not-own",
        )
    if as_json:
        print_json({"model": info.name, "version": info.version, "sealed": True})
    else:
        console.print(f"Version {info.version} of {info.name} is sealed.")


def _write_new(files: Mapping[Path, bytes]) -> None:
    """Write files for their owner alone; an existing one is never replaced: versions may be signed by it."""
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
            next_step="Name a new file in a folder that is there and that you can write to.",
            code="key.file",
        ) from None
