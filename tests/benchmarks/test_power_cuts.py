"""A sample of the power cuts; ten thousand are one command (docs/power-cuts.md)."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from random import Random

import pytest
from benchmarks.power.checking import check_folder, write_state
from benchmarks.power.cutting import cut_story
from benchmarks.power.disk import NAME_RULES, Disk, NameRule, Node, State
from benchmarks.power.faults import Fault, Place, fault_story, list_faults, run_faults
from benchmarks.power.injecting import Injection, build_injection
from benchmarks.power.matrix import sum_up
from benchmarks.power.starter import Run, Starter
from benchmarks.power.stories import STORIES

needs_strace = pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("strace") is None, reason="needs strace, on Linux"
)
# A story with MLflow takes most of a minute to prepare.
SAMPLED = [pytest.param(name, marks=pytest.mark.proof) if story.imports else name for name, story in STORIES.items()]


@needs_strace
@pytest.mark.parametrize("story", SAMPLED)
def test_nothing_that_was_acknowledged_is_lost_when_the_power_goes(story: str) -> None:
    """After a power cut everything acknowledged is there, every file opens, and the next start works."""
    total = sum_up({story: cut_story(story, 40, "ci", workers=1)})
    assert total.cuts >= 30
    assert (total.lost, total.corrupt) == (0, 0), total.examples


@needs_strace
def test_a_checkpoint_that_is_not_synced_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer that acknowledges before it has synced is found by the cuts."""
    monkeypatch.setattr("benchmarks.power.disk.Disk.sync", lambda *_: None)
    total = sum_up({"API keys": cut_story("API keys", 40, "ci", workers=1)})
    assert total.lost > 0


@pytest.fixture
def disk() -> Disk:
    return Disk()


def write_file(disk: Disk, folder: Node, name: str, content: bytes) -> Node:
    node = Node(is_folder=False)
    disk.change_names(folder, {name: node})
    node.write(0, content)
    return node


def sync(disk: Disk, node: Node) -> None:
    disk.sync(node, list(node.pending))


@pytest.mark.parametrize("rule", NAME_RULES)
def test_nothing_survives_that_was_not_synced(disk: Disk, rule: NameRule) -> None:
    """A file whose content and name were not synced is gone, or is there whole where everything survives."""
    write_file(disk, disk.root, "a", b"abc")
    assert disk.cut("nothing", rule, Random(1)).files == {}
    assert disk.cut("all", rule, Random(1)).files == {"a": b"abc"}
    assert disk.cut("names", rule, Random(1)).files == {"a": b""}
    assert disk.cut("lengths", rule, Random(1)).files == {"a": bytes(3)}


def test_a_name_survives_a_sync_of_its_folder(disk: Disk) -> None:
    """By the strict rule a synced file needs its folder synced; by the ordered one any sync takes its name along."""
    node = write_file(disk, disk.root, "a", b"abc")
    sync(disk, node)
    assert disk.cut("nothing", "strict", Random(1)).files == {}
    assert disk.cut("nothing", "ordered", Random(1)).files == {"a": b"abc"}
    sync(disk, disk.root)
    assert disk.cut("nothing", "strict", Random(1)).files == {"a": b"abc"}


def test_a_folder_survives_a_sync_of_the_folder_above(disk: Disk) -> None:
    """By the strict rule what lies in a folder is gone with its name, however well it was synced."""
    folder = Node(is_folder=True)
    disk.change_names(disk.root, {"f": folder})
    sync(disk, write_file(disk, folder, "a", b"abc"))
    sync(disk, folder)
    assert disk.cut("nothing", "strict", Random(1)).files == {}
    sync(disk, disk.root)
    assert disk.cut("nothing", "strict", Random(1)).files == {"f/a": b"abc"}


def test_sectors_are_torn_alone(disk: Disk) -> None:
    """A torn write leaves whole sectors of the old and of the new content, and both occur."""
    node = write_file(disk, disk.root, "a", b"o" * 4096)
    sync(disk, node)
    sync(disk, disk.root)
    node.write(0, b"n" * 4096)
    seen = {disk.cut("torn", "strict", Random(seed)).files["a"] for seed in range(50)}
    assert len(seen) > 10
    for content in seen:
        sectors = {content[begin : begin + 512] for begin in range(0, 4096, 512)}
        assert sectors <= {b"o" * 512, b"n" * 512}


def test_a_state_is_written_as_it_is(tmp_path: Path) -> None:
    """A folder that held something else holds the state afterwards, and nothing more."""

    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "file").write_bytes(b"x")
    write_state(State({"f/a": b"abc"}, ("f",)), tmp_path)
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")} == {"f", "f/a"}


@needs_strace
@pytest.mark.parametrize("story", SAMPLED)
def test_nothing_is_lost_where_a_system_call_fails(story: str) -> None:
    """Where a call fails, or the process dies in it, what was acknowledged is there, and the error is one of ours."""
    total = sum_up({story: fault_story(story, 12, "ci", workers=1)})
    assert total.cuts >= 12
    assert total.wrong == 0, total.examples


@pytest.fixture
def library(tmp_path: Path) -> Path:
    folder = tmp_path / "built"
    folder.mkdir()
    built = build_injection(folder)
    if built is None:
        pytest.skip("needs a C compiler, on Linux on x86-64, where processes may filter their system calls")
    return built


@needs_strace
def test_a_call_fails_without_strace_as_it_does_under_it(tmp_path: Path, library: Path) -> None:
    """The n-th call of a name is the same one for both: the story ends in the same way, with the same marks."""

    def summarise(run: Run) -> tuple[int, list[tuple[str, str]]]:
        return run.status, [(mark["kind"], mark["what"]) for mark in run.marks]

    def prepare(name: str) -> tuple[Path, Path]:
        shutil.copytree(tmp_path / "before", tmp_path / name / "root")
        return tmp_path / name / "root", tmp_path / name

    options = {"EIO": "error=EIO", "ENOSPC": "error=ENOSPC", "killed": "signal=SIGKILL"}
    with Starter("API keys") as starter:
        faults = list_faults(starter, "API keys", tmp_path)
        assert {fault.kind for fault in faults} == set(options)
        for number, fault in enumerate(Random(1).sample(faults, 12)):
            option = f"inject={fault.name}:{options[fault.kind]}:when={fault.number}"
            traced = starter.run(*prepare(f"traced-{number}"), ["-e", option])
            injection = Injection(fault.name, fault.number, "" if fault.kind == "killed" else fault.kind)
            root, scratch = prepare(f"injected-{number}")
            injected = starter.run_injected(root, scratch, library, injection)
            assert summarise(injected) == summarise(traced), fault
            assert injected.met.startswith(str(root)), fault


@needs_strace
@pytest.mark.parametrize("injects", [True, False])
def test_a_fault_that_did_not_take_place_is_reported(tmp_path: Path, library: Path, *, injects: bool) -> None:
    """A run whose story never comes to the call of its fault counts as one that the fault did not reach."""
    with Starter("API keys") as starter:
        recorded = tmp_path / "recorded"
        recorded.mkdir()
        list_faults(starter, "API keys", recorded)
        place = Place("API keys", recorded, library if injects else None)
        faults = [Fault(kind, "rename", number) for kind in ("EIO", "killed") for number in (1, 10_000)]
        assert [outcome.reached for outcome in run_faults(starter, place, faults)] == [True, False, True, False]


@needs_strace
def test_a_kept_story_that_loses_is_found(tmp_path: Path) -> None:
    """A story whose marks promise more than it wrote counts as lost."""
    STORIES["API keys"].prepare(tmp_path)
    marks = [{"kind": "done", "what": "make", "ids": ["never-made"]}]
    assert check_folder("API keys", tmp_path, marks).lost == ["1 of 1 keys are gone"]
