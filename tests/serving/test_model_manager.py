from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.serving.fake_registry import MODEL, FakeRegistry, changed_file, other_labels, other_predictions
from tests.serving.fakes import TestLedger
from tiltyard.errors import ArtifactError, UnavailableError
from tiltyard.ledger.records import Event
from tiltyard.project import ServingSection
from tiltyard.registry.package.manifest import MANIFEST
from tiltyard.registry.package.manifest import digest as digest_of
from tiltyard.registry.package.version_loader import VersionLoader
from tiltyard.registry.ports import VersionInfo
from tiltyard.serving.model.compiled_scorers import CompiledFile, CompiledScorers
from tiltyard.serving.model.manager import ModelManager, ServedAlias
from tiltyard.serving.process.registry_process import RegistryCalls
from tiltyard.serving.process.remote_registry import COMPILED_FILE, VERSION_INFO
from tiltyard.settings import Settings


class Host:
    """A host with a cache, on which servers start and stop."""

    def __init__(self, registry: FakeRegistry, cache: Path, compiled: CompiledScorers | None) -> None:
        self.registry = registry
        self.cache = cache
        self.compiled = compiled
        self.ledger = TestLedger()

    def start(self) -> ModelManager:
        served = ServedAlias(MODEL, task="text-classification")
        live = ModelManager(served, VersionLoader(self.registry, self.cache), record_event=self.ledger.append)
        live.compiled_scorers = self.compiled
        return live

    def started(self) -> ModelManager:
        live = self.start()
        live.refresh()
        return live

    def events(self, kind: str) -> list[Event]:
        return list(self.ledger.events(kind=kind))


class FileCompiler:
    """Compiles as the registry's process of a server does, within this process."""

    def __init__(self, folder: Path) -> None:
        self.compiled: list[str] = []
        self._calls = RegistryCalls(Settings.load(folder))
        self._folder = folder

    def compile_version(self, info: VersionInfo, folder: Path, digest: str) -> CompiledFile:
        assert digest == digest_of(folder / MANIFEST)
        self.compiled.append(info.version)
        file = self._folder / f"compiled-{len(self.compiled)}"
        content = VERSION_INFO.dump_python(info, mode="json")
        return COMPILED_FILE.validate_python(self._calls.compile_version(content, str(folder), str(file)))


@pytest.fixture(params=["compiled here", "compiled elsewhere"])
def host(request: pytest.FixtureRequest, registry: FakeRegistry, tmp_path: Path) -> Host:
    elsewhere = request.param == "compiled elsewhere"
    return Host(registry, tmp_path / "cache", CompiledScorers(FileCompiler(tmp_path)) if elsewhere else None)


@pytest.fixture
def good(host: Host, text_package: Path) -> str:
    """Version 1, the champion."""
    version = host.registry.add(text_package)
    host.registry.point_alias("champion", version)
    return version


@pytest.mark.requirement("R-SERVE-13", "R-SERVE-16")
def test_a_version_is_loaded_once_while_its_alias_stays(host: Host, good: str, other_text_package: Path) -> None:
    """Looking again, every 60 seconds by default, loads nothing; only another champion is loaded, once."""
    assert ServingSection().reload_seconds == 60
    live = host.started()
    version = live.require()
    assert not live.refresh().changed
    assert live.require() is version
    host.registry.point_alias("champion", host.registry.add(other_text_package))
    assert live.refresh().changed
    assert (version.info.version, live.require().info.version) == (good, "2")
    assert len(host.events("served")) == 2


@pytest.mark.requirement("R-SERVE-16")
def test_the_champion_takes_over(host: Host, good: str) -> None:
    """The version that the alias names is served after its smoke test, and the take-over is an event."""
    live = host.start()
    with pytest.raises(UnavailableError, match="being loaded"):
        live.require()
    assert live.refresh().changed
    version = live.require()
    assert version.info.version == good
    assert version.scorer.score([{"text": "a warm film"}]).labels == ["good"]
    [event] = host.events("served")
    assert event.subject == f"{MODEL}/{good}"
    assert event.evidence["rows"] == 4
    assert event.evidence["largest_difference"] <= 1e-9
    assert event.evidence["replaced"] is None


def test_the_next_champion_replaces_the_first(host: Host, good: str, other_text_package: Path) -> None:
    """When the alias names another version, that one is served, and the event names the one before."""
    live = host.started()
    before = live.require()
    assert not live.refresh().changed
    assert host.registry.fetched == [good]
    host.registry.point_alias("champion", host.registry.add(other_text_package))
    assert live.refresh().changed
    assert live.require().info.version == "2"
    assert before.info.version == good
    assert host.events("served")[-1].evidence["replaced"] == good


@pytest.mark.requirement("R-SERVE-17")
def test_without_a_champion_the_reason_names_the_next_step(host: Host) -> None:
    """Without a champion no version is served, and the error says what to do."""
    live = host.started()
    with pytest.raises(UnavailableError, match="No champion yet") as caught:
        live.require()
    assert caught.value.next_step == "Run: tiltyard train --champion"


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (changed_file, "artifact.digest"),
        (other_predictions, "artifact.other-answers"),
        (other_labels, "artifact.other-labels"),
    ],
)
def test_a_bad_version_is_refused(
    host: Host, good: str, other_text_package: Path, spoil: Callable[[Path], None], code: str
) -> None:
    """A version that is damaged, or does not predict as it did at training, is refused; the old one stays."""
    live = host.started()
    bad = host.registry.add(other_text_package, spoil)
    host.registry.point_alias("champion", bad)
    refresh = live.refresh()
    assert not refresh.changed
    assert isinstance(refresh.error, ArtifactError)
    assert refresh.error.code == code
    assert live.require().info.version == good
    [event] = host.events("refused")
    assert (event.subject, event.evidence["code"]) == (f"{MODEL}/{bad}", code)
    assert event.reason == refresh.error.message


def test_a_refused_version_is_not_tried_at_every_refresh(host: Host, good: str, other_text_package: Path) -> None:
    """A refused version is tried again by a forced refresh, not by every one."""
    live = host.started()
    bad = host.registry.add(other_text_package, changed_file)
    host.registry.point_alias("champion", bad)
    errors = [live.refresh().error for _ in range(3)]
    assert host.registry.fetched.count(bad) == 1
    assert errors[0] is errors[1] is errors[2]
    live.refresh(force=True)
    assert host.registry.fetched.count(bad) == 2
    assert len(host.events("refused")) == 2
    host.registry.point_alias("champion", host.registry.add(other_text_package))
    assert live.refresh() == live.latest
    assert live.require().info.version == "3"
    assert live.refresh().error is None


def test_a_version_of_another_task_is_refused(host: Host, good: str, table_package: Path) -> None:
    """A version for another task than the project's does not take over."""
    live = host.started()
    host.registry.point_alias("champion", host.registry.add(table_package))
    error = live.refresh().error
    assert error is not None
    assert error.code == "artifact.other-task"
    assert live.require().info.version == good


def test_an_unavailable_registry_changes_nothing(host: Host, good: str) -> None:
    """While the registry is unavailable the version that is served stays, and nothing is refused."""
    live = host.started()
    host.registry.away = True
    refresh = live.refresh()
    assert not refresh.registry_ok
    assert refresh.error is not None
    assert live.require().info.version == good
    assert host.events("refused") == []


def test_a_removed_alias_changes_nothing(host: Host, good: str) -> None:
    """A champion alias that is removed does not stop a running server."""
    live = host.started()
    host.registry.point_alias("champion", None)
    assert live.refresh().error is not None
    assert live.require().info.version == good


def test_a_start_without_the_registry_uses_the_cache(host: Host, good: str) -> None:
    """A server that starts while the registry is unavailable serves the last good version of its host."""
    host.started()
    host.registry.away = True
    live = host.started()
    assert live.require().info == host.started().require().info
    assert live.require().info.version == good
    assert live.latest is not None
    assert not live.latest.registry_ok
    assert "registry is away" in host.events("served")[-1].reason
    host.registry.away = False
    assert live.refresh().error is None


def test_a_start_with_a_bad_champion_uses_the_last_good_version(
    host: Host, good: str, other_text_package: Path
) -> None:
    """A server that starts with a bad champion serves the last good version of its host."""
    host.started()
    host.registry.point_alias("champion", host.registry.add(other_text_package, changed_file))
    live = host.started()
    assert live.require().info.version == good
    assert live.latest is not None
    assert live.latest.error is not None


def test_a_damaged_cache_is_not_used(host: Host, good: str) -> None:
    """A copy that was changed on this host is refused; without the registry nothing is served then."""
    changed_file(host.started().require().folder)
    host.registry.away = True
    with pytest.raises(UnavailableError, match="registry is away"):
        host.started().require()


@pytest.mark.parametrize("content", ["", "{", '{"info": {}, "folder": "x"}'])
def test_an_unreadable_state_file_counts_as_none(host: Host, good: str, content: str) -> None:
    """A state file that cannot be read is treated as a missing one."""
    host.started()
    [file] = (host.cache / MODEL).glob("*.json")
    file.write_text(content, encoding="utf-8")
    host.registry.away = True
    live = host.started()
    assert live.current is None


def test_a_former_champion_is_not_served_from_the_cache(host: Host, good: str) -> None:
    """Where the registry says that there is no champion, a copy of a former one is not served at start."""
    host.started()
    host.registry.point_alias("champion", None)
    assert host.started().current is None


def test_an_unavailable_ledger_does_not_prevent_a_take_over(host: Host, good: str) -> None:
    """A take-over happens although its event cannot be recorded."""

    def fail(_event: Event) -> None:
        raise UnavailableError("The disk is full.")

    live = ModelManager(ServedAlias(MODEL), VersionLoader(host.registry, host.cache), record_event=fail)
    assert live.refresh().changed
    assert live.require().info.version == good


def test_another_alias_can_be_served(host: Host, good: str, other_text_package: Path) -> None:
    """A server can follow the challenger as well as the champion."""
    host.registry.point_alias("challenger", host.registry.add(other_text_package))
    live = ModelManager(ServedAlias(MODEL, alias="challenger"), VersionLoader(host.registry, host.cache))
    live.refresh()
    assert (live.require().info.version, live.require().alias) == ("2", "challenger")


def test_a_version_compiled_elsewhere_is_mapped_and_predicts_the_same(
    registry: FakeRegistry, tmp_path: Path, text_package: Path
) -> None:
    """The worker's scorer comes from the file, and its predictions equal those of the scorer that is compiled here."""
    registry.point_alias("champion", registry.add(text_package))
    compiler = FileCompiler(tmp_path)
    mapped = Host(registry, tmp_path / "cache", CompiledScorers(compiler)).started().require()
    here = Host(registry, tmp_path / "cache", None).started().require()
    assert (compiler.compiled, mapped.scorer.kind, mapped.manifest) == (["1"], "compiled text", here.manifest)
    inputs = [{"text": "a warm and funny film"}, {"text": ""}]
    assert (mapped.scorer.score(inputs).probabilities == here.scorer.score(inputs).probabilities).all()


class BrokenCompiler:
    """A process that does not compile: it is away, or what it wrote cannot be read, or is of other files."""

    def __init__(self, folder: Path, how: str) -> None:
        self._folder, self._how = folder, how

    def compile_version(self, info: VersionInfo, folder: Path, digest: str) -> CompiledFile:
        if self._how == "away":
            raise UnavailableError("It is gone.", next_step="Start it again.")
        file = self._folder / "compiled"
        file.write_bytes(b"{}\n" if self._how == "unreadable" else b"")
        return CompiledFile(file, "0" * 64 if self._how == "of other files" else digest)


@pytest.mark.parametrize("how", ["away", "unreadable", "empty", "of other files"])
def test_a_version_that_is_not_compiled_elsewhere_is_compiled_here(
    registry: FakeRegistry, tmp_path: Path, text_package: Path, how: str
) -> None:
    """Where the other process fails, a version is loaded and served all the same."""
    registry.point_alias("champion", registry.add(text_package))
    live = Host(registry, tmp_path / "cache", CompiledScorers(BrokenCompiler(tmp_path, how))).started()
    assert live.require().scorer.kind == "compiled text"


class WaitingRegistry(FakeRegistry):
    """A registry whose files take as long as a test lets them."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.fetching, self.may_come = threading.Event(), threading.Event()

    def fetch(self, info: VersionInfo, cache: Path) -> Path:
        self.fetching.set()
        assert self.may_come.wait(60)
        return super().fetch(info, cache)


def test_a_promoted_version_that_is_being_loaded_is_announced(text_package: Path, tmp_path: Path) -> None:
    """While the first champion is fetched, the response names it, and no longer says that there is none."""
    registry = WaitingRegistry(tmp_path / "registry")
    live = Host(registry, tmp_path / "cache", None).started()
    with pytest.raises(UnavailableError) as none:
        live.require()
    assert none.value.code == "champion.missing"
    registry.point_alias("champion", registry.add(text_package))
    with ThreadPoolExecutor(1) as pool:
        loading = pool.submit(live.refresh)
        assert registry.fetching.wait(60)
        with pytest.raises(UnavailableError, match=f"Version 1 of {MODEL} is being loaded") as soon:
            live.require()
        assert soon.value.code == "model.loading"
        registry.may_come.set()
        assert loading.result().changed
    assert live.loading is None
    assert live.require().info.version == "1"
