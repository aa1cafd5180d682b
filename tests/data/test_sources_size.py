"""Data larger than memory is refused before it is read."""

from __future__ import annotations

import gzip
import os
import resource
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from tiltyard.data import load_dataset
from tiltyard.data.sources.files import local_files
from tiltyard.data.sources.formats import parse_problem
from tiltyard.data.sources.location import resolve_location
from tiltyard.data.sources.memory import MemoryBudget, free_memory
from tiltyard.data.sources.size import require_room_for
from tiltyard.errors import DataError
from tiltyard.project import DataSection, Project

GIGABYTE = 1 << 30


def load(root: Path, source: str, **data: Any) -> None:
    base = {"project": {"name": "rows", "task": "tabular-classification"}, "root": root}
    load_dataset(Project.model_validate({**base, "data": {"source": source, **data}}))


def refusal(root: Path, source: str, **data: Any) -> DataError:
    with pytest.raises(DataError) as caught:
        load(root, source, **data)
    assert caught.value.code == "data.too-large", caught.value.message
    assert "sample" in caught.value.next_step
    return caught.value


def table(rows: int) -> pd.DataFrame:
    random = np.random.default_rng(0)
    frame = pd.DataFrame({f"x{position}": random.normal(size=rows) for position in range(5)})
    frame["word"] = random.choice(["yes", "no", "perhaps so"], rows)
    frame["label"] = random.choice(["a", "b"], rows)
    return frame


def test_a_file_of_a_terabyte_is_refused_at_once(tmp_path: Path) -> None:
    """A CSV file that no memory holds is not read: the message has both numbers."""
    path = tmp_path / "huge.csv"
    path.write_text("x,label\n" + "1.5,a\n2.5,b\n" * 1000)
    os.truncate(path, 1 << 40)  # sparse: takes no disk
    error = refusal(tmp_path, "huge.csv")
    assert "TB of memory" in error.message
    assert "are free" in error.message


def test_the_rows_of_a_parquet_file_count_not_its_bytes(tmp_path: Path) -> None:
    """Forty million equal values take a few kilobytes of Parquet, and are known to be large from its metadata."""
    path = tmp_path / "dense.parquet"
    part = pd.DataFrame({"x": np.zeros(1_000_000), "label": pd.Categorical(["a"] * 999_999 + ["b"])})
    converted = pa.Table.from_pandas(part, preserve_index=False)
    with parquet.ParquetWriter(path, converted.schema, compression="zstd") as writer:
        for _ in range(20):
            writer.write_table(converted)
    assert path.stat().st_size < 200_000
    error = refusal(tmp_path, "dense.parquet", max_memory_share=0.5 * 20e6 * 9 * 5.5 / free_memory())
    assert "20,000,000 rows" in error.message


@pytest.mark.parametrize("name", ["t.csv", "t.jsonl", "t.parquet", "t.csv.gz", "part-*.csv"])
def test_the_estimate_is_near_the_size_of_the_frame(tmp_path: Path, name: str) -> None:
    """The estimate from the first rows is, within a quarter, what all rows take, whatever the format."""
    frame = table(20_000)
    if name == "t.parquet":
        frame.to_parquet(tmp_path / name)
    elif name == "t.jsonl":
        frame.to_json(tmp_path / name, orient="records", lines=True)
    elif name == "t.csv.gz":
        (tmp_path / name).write_bytes(gzip.compress(frame.to_csv(index=False).encode()))
    else:
        for part in range(4):
            chosen = frame.iloc[part::4] if "*" in name else frame
            chosen.to_csv(tmp_path / name.replace("*", str(part)), index=False)
    kind = name.split(".")[1]
    files = local_files(resolve_location(name, tmp_path), tmp_path)
    actual = float(frame.memory_usage(deep=True).sum()) * (8.0 if kind == "jsonl" else 5.5)
    section = DataSection(source=name)
    require_room_for(files, kind, section, MemoryBudget(name, int(actual * 1.25), 1.0))
    with pytest.raises(DataError):
        require_room_for(files, kind, section, MemoryBudget(name, int(actual * 0.75), 1.0))


def test_a_folder_is_given_up_while_it_is_read(tmp_path: Path) -> None:
    """Texts in files are summed up as they come, so that the last of them need not be read to know."""
    for label in ("neg", "pos"):
        (tmp_path / "films" / label).mkdir(parents=True)
        for number in range(600):
            (tmp_path / "films" / label / f"{number}.txt").write_text("A film. " * 50)
    base = {"project": {"name": "films", "task": "text-classification"}, "root": tmp_path}
    data = {"source": "films", "format": "folder", "text": "text"}
    with pytest.raises(DataError, match="1,200 files") as caught:
        load_dataset(Project.model_validate({**base, "data": {**data, "max_memory_share": 1e-6}}))
    assert caught.value.code == "data.too-large"


def test_a_share_above_one_overrules_the_estimate(tmp_path: Path) -> None:
    """An estimate may be wrong; a setting of the user has the last word."""
    table(2000).to_csv(tmp_path / "t.csv", index=False)
    refusal(tmp_path, "t.csv", max_memory_share=1e-9)
    load(tmp_path, "t.csv", max_memory_share=2.0)


def test_memory_that_runs_out_all_the_same_is_an_error_with_a_next_step(tmp_path: Path) -> None:
    """However a library reports that memory ran out, it is another error than a damaged file."""
    (tmp_path / "t.csv").write_text("x,label\n")
    file = local_files(resolve_location("t.csv", tmp_path), tmp_path)[0]
    for said in (pd.errors.ParserError("C error: out of memory"), pa.ArrowMemoryError("malloc failed"), MemoryError()):
        with pytest.raises(DataError) as caught, parse_problem(file, "csv", DataSection(source="t.csv")):
            raise said
        assert caught.value.code == "data.too-large"


def fake_machine(root: Path, files: dict[str, str]) -> Path:
    for name, content in {"proc/meminfo": "MemTotal: 9 kB\nMemAvailable: 8388608 kB\n", **files}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    return root


def test_the_machine_sets_the_limit_where_nothing_else_does(tmp_path: Path) -> None:
    """Without control groups, free memory is what the kernel says is available."""
    assert free_memory(fake_machine(tmp_path, {})) == 8 * GIGABYTE


def test_a_container_sets_the_limit(tmp_path: Path) -> None:
    """The control group's limit counts, less what is in use (which cached files are not); "max" is not a limit."""
    group = {
        "proc/self/cgroup": "0::/kubepods/pod7\n",
        "sys/fs/cgroup/memory.max": "max\n",
        "sys/fs/cgroup/kubepods/memory.max": f"{4 * GIGABYTE}\n",
        "sys/fs/cgroup/kubepods/memory.current": f"{2 * GIGABYTE}\n",
        "sys/fs/cgroup/kubepods/memory.stat": f"anon 5\ninactive_file {GIGABYTE}\n",
        "sys/fs/cgroup/kubepods/pod7/memory.max": "max\n",
    }
    assert free_memory(fake_machine(tmp_path, group)) == 3 * GIGABYTE


def test_a_container_whose_group_is_mounted_as_the_root_sets_the_limit(tmp_path: Path) -> None:
    """The older kind of control group, seen from inside a container, with the host's path."""
    group = {
        "proc/self/cgroup": "5:cpu,cpuacct:/docker/abc\n4:memory:/docker/abc\n",
        "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{2 * GIGABYTE}\n",
        "sys/fs/cgroup/memory/memory.usage_in_bytes": f"{GIGABYTE}\n",
        "sys/fs/cgroup/memory/memory.stat": "inactive_file 1\ntotal_inactive_file 100\n",
    }
    assert free_memory(fake_machine(tmp_path, group)) == GIGABYTE + 100


def test_the_limit_of_the_process_counts(tmp_path: Path) -> None:
    """Memory that ulimit forbids is not free."""
    machine = fake_machine(tmp_path, {})
    old = resource.getrlimit(resource.RLIMIT_AS)
    pages = int((Path("/proc/self/statm")).read_text().split()[0]) if Path("/proc/self/statm").exists() else 0
    (machine / "proc/self").mkdir(exist_ok=True)
    (machine / "proc/self/statm").write_text(f"{pages} 0 0\n")
    now = pages * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + GIGABYTE, old[1]))
    try:
        assert free_memory(machine) == GIGABYTE
    finally:
        resource.setrlimit(resource.RLIMIT_AS, old)
