"""A stored model that would take all memory, or an hour, to be inspected is refused in a moment."""

from __future__ import annotations

import io
import json
import warnings
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.registry.fitted import NAMES, fitted
from tiltyard.errors import ArtifactError
from tiltyard.registry.package.skops_archive import SCHEMA, check_archive
from tiltyard.registry.package.skops_file import read_model, write_model
from tiltyard.registry.package.trusted_types import trusted_type_names

Node = dict[str, Any]


def listed(content: list[Node], identity: int = 0) -> Node:
    """A list as skops describes it."""
    kind = {"__class__": "list", "__module__": "builtins", "__loader__": "ListNode"}
    return {**kind, "content": content, "__id__": identity}


def number(value: int) -> Node:
    """A number as skops describes it."""
    kind = {"__class__": "str", "__module__": "builtins", "__loader__": "JsonNode", "is_json": True}
    return {**kind, "content": json.dumps(value)}


def held(file: str, identity: int) -> Node:
    """Bytes that are a member of the archive."""
    kind = {"__class__": "bytes", "__module__": "builtins", "__loader__": "BytesNode"}
    return {**kind, "file": file, "__id__": identity}


def write(file: Path, schema: Node, members: dict[str, bytes] | None = None, packing: int = zipfile.ZIP_STORED) -> None:
    with zipfile.ZipFile(file, "w", packing) as archive:
        for name, content in (members or {}).items():
            archive.writestr(name, content)
        archive.writestr(SCHEMA, json.dumps({**schema, "protocol": 2}))


def refusal(file: Path) -> ArtifactError:
    with pytest.raises(ArtifactError) as refused:
        read_model(file, trusted_type_names())
    assert "\n" not in refused.value.message
    return refused.value


def test_such_a_file_is_read_otherwise(tmp_path: Path) -> None:
    """What these tests write by hand is a sound model but for what each of them changes."""
    write(tmp_path / "m.skops", listed([number(1), held("a.bin", 1), held("a.bin", 1)]), {"a.bin": b"abc"})
    assert read_model(tmp_path / "m.skops") == [1, b"abc", b"abc"]


@pytest.mark.parametrize("name", NAMES)
def test_sound_models_cost_what_they_are(name: str, tmp_path: Path) -> None:
    """What is written here calls nothing but the trees, and no model of ours comes near the limits."""
    write_model(fitted(name).model, tmp_path / "m.skops")
    called = check_archive(tmp_path / "m.skops")
    assert not any("check_array" in name or "partial" in name for name in called)


def test_one_array_named_by_many(tmp_path: Path) -> None:
    """Nodes that each have the same member read do not get it read a hundred times."""
    content = np.random.default_rng(0).bytes(2_000_000)
    write(tmp_path / "m.skops", listed([held("a.bin", place) for place in range(1, 101)]), {"a.bin": content})
    refused = refusal(tmp_path / "m.skops")
    assert refused.code == "artifact.too-large"
    assert "200 MB" in refused.message


@pytest.mark.parametrize("depth", [40, 2_000])
def test_parts_shared_without_end(depth: int, tmp_path: Path) -> None:
    """A list twice in a list twice in a list, and so on, is a small file and 2 to the 40 visits: it is refused."""
    inner = listed([number(1)], 1)
    lists = [inner]
    for level in range(2, depth):
        again = listed([], level - 1)
        lists.append(listed([again, again], level))
    write(tmp_path / "m.skops", listed(lists))
    assert refusal(tmp_path / "m.skops").code == "artifact.too-large"


def test_parts_in_a_circle(tmp_path: Path) -> None:
    """A list that holds itself is refused."""
    write(tmp_path / "m.skops", listed([listed([listed([], 1)], 2)], 1))
    assert refusal(tmp_path / "m.skops").code == "artifact.too-large"


def lie(file: Path, real: bytes) -> None:
    """An archive with a packed member that claims ten bytes, rightly summed, and unpacks to more."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(real) + packer.flush()
    write(file, listed([held("a.bin", 1)]), {"a.bin": packed})
    claims = zipfile.ZIP_DEFLATED.to_bytes(2, "little"), zlib.crc32(real[:10]).to_bytes(4, "little")
    raw = bytearray(file.read_bytes())
    for place, begin in ((raw.find(b"a.bin") - 30, 8), (raw.rfind(b"a.bin") - 46, 10)):
        raw[place + begin : place + begin + 2] = claims[0]
        raw[place + begin + 6 : place + begin + 10] = claims[1]
        raw[place + begin + 14 : place + begin + 18] = (10).to_bytes(4, "little")
    file.write_bytes(raw)


def test_a_member_that_claims_to_be_small(tmp_path: Path) -> None:
    """A packed member that claims ten bytes and has eleven, or a hundred million, is refused without being unpacked."""
    lie(tmp_path / "honest.skops", bytes(10))
    assert read_model(tmp_path / "honest.skops") == [bytes(10)]
    for real in (bytes(11), bytes(100_000_000)):
        lie(tmp_path / "m.skops", real)
        refused = refusal(tmp_path / "m.skops")
        assert refused.code == "artifact.unreadable"
        assert "a.bin" in refused.message


def test_two_members_of_one_name(tmp_path: Path) -> None:
    """Of two descriptions in an archive none is read: another reader might take the other one."""
    with zipfile.ZipFile(tmp_path / "m.skops", "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for value in (1, 2):
            archive.writestr(SCHEMA, json.dumps({**number(value), "protocol": 2}))
    assert "2 members named 'schema.json'" in refusal(tmp_path / "m.skops").message


@pytest.mark.parametrize("packing", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_packings_without_a_bound_are_not_unpacked(packing: int, tmp_path: Path) -> None:
    """Archives are not unpacked by what has no bound on what it unpacks to at once."""
    write(tmp_path / "m.skops", listed([held("a.bin", 1)]), {"a.bin": bytes(1000)}, packing)
    assert refusal(tmp_path / "m.skops").code == "artifact.unreadable"


def test_too_many_objects(tmp_path: Path) -> None:
    """A description of millions of empty objects, small when packed, is refused before it is parsed."""
    with zipfile.ZipFile(tmp_path / "m.skops", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(SCHEMA, '{"content": [' + "{}," * 6_000_000 + "{}]}")
    assert refusal(tmp_path / "m.skops").code == "artifact.too-large"


@pytest.mark.parametrize("name", ["sklearn.utils.validation.check_array", "functools.partial"])
def test_a_function_is_not_called(name: str, tmp_path: Path) -> None:
    """A trusted function may be named in a model, but not be called with what the file gives it."""
    module, _, function = name.rpartition(".")
    given = {"__class__": "tuple", "__module__": "builtins", "__loader__": "TupleNode", "content": [number(1)]}
    write(
        tmp_path / "m.skops",
        {"__class__": function, "__module__": module, "__loader__": "ConstructorFromReduceNode", "content": given},
    )
    refused = refusal(tmp_path / "m.skops")
    assert refused.code == "artifact.untrusted-type"
    assert name in refused.message


def test_an_array_of_pickles_alone(tmp_path: Path) -> None:
    """An array whose header asks for pickled objects is refused."""
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "|O", "fortran_order": False, "shape": (1,)})
    array = {"__class__": "ndarray", "__module__": "numpy", "__loader__": "NdArrayNode", "type": "numpy"}
    write(tmp_path / "m.skops", {**array, "file": "a.npy"}, {"a.npy": buffer.getvalue() + b"cos\nsystem\n."})
    assert "allow_pickle=False" in refusal(tmp_path / "m.skops").message
