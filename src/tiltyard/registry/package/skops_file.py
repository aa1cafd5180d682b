"""Models in the skops format: written small, and read only after everything in them was inspected.

skops writes a vocabulary as one node of its tree for each term, and one file of the archive for each number that is
numpy's: 50,000 terms take minutes. Here a vocabulary is a single node of skops' own kind for JSON values, which every
skops reads back as the same dict.
"""

from __future__ import annotations

import copy
import importlib
import io
import json
import sys
import uuid
import zipfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from tiltyard.errors import ArtifactError
from tiltyard.registry.package.check_trees import check_trees
from tiltyard.registry.package.object_graph import walk_objects
from tiltyard.registry.package.skops_archive import SCHEMA, check_archive
from tiltyard.registry.package.trusted_types import FUNCTIONS, TRUSTED_TYPES

_WORTH_IT = 100
_BYTES = ".bin"  # how skops names the file of a bytes object


def import_early() -> None:
    """Import skops before other large libraries, in a process that will write or read a model.

    As it is imported, skops looks for the module of each function of numpy and SciPy, in all modules that there are:
    after MLflow that takes more than twice as long, a second.
    """
    importlib.import_module("skops.io")


def write_model(model: Any, file: Path) -> None:
    """Write a fitted model; vocabularies are written as one value each.

    Raises:
        skops.io.exceptions.UnsupportedTypeException: skops cannot store one of its objects.
    """
    import skops.io  # noqa: PLC0415

    vocabularies = {id(part): part for part in walk_objects(model) if _is_vocabulary(part)}
    marks = {number: f"tiltyard:{uuid.uuid4()}" for number in vocabularies}
    # The copy shares all arrays with the model and has a mark in place of each vocabulary.
    memo: dict[int, Any] = {id(part): part for part in walk_objects(model) if isinstance(part, np.ndarray)}
    memo.update({number: {mark: 0} for number, mark in marks.items()})
    stored = skops.io.dumps(copy.deepcopy(model, memo) if vocabularies else model)
    written = {marks[number]: _as_json(vocabulary) for number, vocabulary in vocabularies.items()}
    with zipfile.ZipFile(io.BytesIO(stored)) as source, zipfile.ZipFile(file, "w") as target:
        for entry in source.infolist():
            if entry.filename != SCHEMA:
                target.writestr(entry, source.read(entry), compress_type=_choose_packing(entry.filename))
        schema = _with_vocabularies(json.loads(source.read(SCHEMA)), written)
        target.writestr(SCHEMA, json.dumps(schema), compress_type=zipfile.ZIP_DEFLATED)


def foreign_types(file: Path, allowed: Collection[str] = ()) -> list[str]:
    """Names of the types that a stored model holds and that neither skops nor the caller allows; sorted.

    Nothing is constructed, and nothing that the model names is imported.

    Raises:
        ArtifactError: the file is not in the skops format, is damaged, or would unpack to far too much.
    """
    import skops.io  # noqa: PLC0415

    called = check_archive(file).intersection(FUNCTIONS)
    try:
        found: list[str] = skops.io.get_untrusted_types(file=file)
    except Exception as error:
        raise _unreadable_error(file, error) from error
    return sorted(called.union(name for name in found if name not in allowed))


def read_model(file: Path, allowed: Collection[str] = ()) -> Any:
    """Construct a stored model whose types are all allowed.

    Args:
        file: the file, as ``write_model`` or skops wrote it.
        allowed: types that may be constructed beyond those that skops trusts.

    Raises:
        ArtifactError: the file is not in the skops format, is damaged, would unpack to far too much, or holds a type
            that is not allowed, a tree that points outside itself, or arrays that do not fit together.
    """
    foreign = foreign_types(file, allowed)
    if foreign:
        raise ArtifactError(
            f"The stored model {file.name} holds types that this host does not allow: {', '.join(foreign)}; "
            "nothing of it was loaded.",
            next_step="If you know and trust them, name them in TILTYARD_TRUSTED_TYPES (a JSON list).",
            code="artifact.untrusted-type",
            types=foreign,
        )
    import skops.io  # noqa: PLC0415

    # scikit-learn and pandas, where nothing is to be read
    from tiltyard.models.boosters.check_booster import check_booster  # noqa: PLC0415
    from tiltyard.models.boosters.stored_booster import StoredBooster  # noqa: PLC0415
    from tiltyard.registry.package.check_arrays import check_arrays  # noqa: PLC0415

    try:
        with _own_modules(allowed):
            model = skops.io.load(file, trusted=sorted(allowed))
    except Exception as error:
        raise _unreadable_error(file, error) from error
    check_trees(model)
    check_arrays(model)
    for part in walk_objects(model):
        if isinstance(part, StoredBooster):
            check_booster(part)
    return model


@contextmanager
def _own_modules(allowed: Collection[str]) -> Iterator[None]:
    """Find modules in the working folder, behind all others, where this host allows own types.

    Programs that Tiltyard starts do not look there otherwise: a file of the name of some library would run.
    """
    if set(allowed) <= set(TRUSTED_TYPES):
        yield
        return
    folder = str(Path.cwd())
    sys.path.append(folder)
    importlib.invalidate_caches()
    try:
        yield
    finally:
        # The last one: the folder may have been on the path before.
        del sys.path[len(sys.path) - 1 - sys.path[::-1].index(folder)]


def _choose_packing(name: str) -> int | None:
    """Documents of boosters are text, and pack to a fifth; arrays hardly get smaller."""
    return zipfile.ZIP_DEFLATED if name.endswith(_BYTES) else None


def _is_vocabulary(part: Any) -> bool:
    return (
        type(part) is dict
        and len(part) >= _WORTH_IT
        and all(type(term) is str for term in part)
        and all(isinstance(column, (int, np.integer)) and not isinstance(column, bool) for column in part.values())
    )


def _as_json(vocabulary: Mapping[str, Any]) -> str:
    return json.dumps({term: int(column) for term, column in vocabulary.items()})


def _with_vocabularies(node: Any, written: Mapping[str, str]) -> Any:
    """The schema with a JSON value in place of each mark."""
    if isinstance(node, list):
        return [_with_vocabularies(item, written) for item in node]
    if not isinstance(node, dict):
        return node
    content = node.get("content")
    if node.get("__loader__") == "DictNode" and isinstance(content, dict) and len(content) == 1:
        value = written.get(next(iter(content)))
        if value is not None:
            kind = {"__class__": "str", "__module__": "builtins", "__loader__": "JsonNode", "is_json": True}
            return {**kind, "content": value, "__id__": node["__id__"]}
    return {key: _with_vocabularies(value, written) for key, value in node.items()}


def _unreadable_error(file: Path, error: Exception) -> ArtifactError:
    why = str(error).strip().splitlines()
    return ArtifactError(
        f"The stored model {file.name} cannot be read: {type(error).__name__}{': ' + why[0] if why else ''}.",
        next_step="Install the library versions that its manifest names, or train a new version.",
        code="artifact.unreadable",
    )
