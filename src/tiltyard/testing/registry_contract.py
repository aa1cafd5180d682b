"""What every model registry must do. Needs pytest.

Example:
    A test module holds an implementation to the contract by providing the fixture ``registry``, an empty one::

        class TestMine(RegistryContract):
            @pytest.fixture
            def registry(self):
                return MyRegistry()
"""

# ruff: noqa: ARG002, S101 - pytest reads assertions, and a fixture may be wanted for what it does
from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC
from pathlib import Path

import pytest

from tiltyard.errors import NotFoundError, TiltyardError, UsageError
from tiltyard.registry import Registry, VersionInfo, read_package
from tiltyard.testing.registry import write_example_package


class RegistryContract:
    """Versions, aliases, tags and files."""

    @pytest.fixture(scope="class")
    @classmethod
    def package(cls, tmp_path_factory: pytest.TempPathFactory) -> str:
        """A version's files, in a folder."""
        folder = tmp_path_factory.mktemp("package") / "model"
        write_example_package(folder)
        return str(folder)

    @pytest.fixture
    def first(self, registry: Registry, package: str) -> VersionInfo:
        """Version 1 of the model films."""
        return registry.register_model(package, "films", "the first")

    def test_an_empty_registry_lists_nothing_without_an_error(self, registry: Registry) -> None:
        """An empty registry has no models, no versions and no champion, and says so without an error."""
        assert list(registry.list_models()) == []
        assert list(registry.list_versions("films")) == []
        assert registry.champion("films") is None

    def test_a_version_is_read_as_it_was_registered(self, registry: Registry, package: str) -> None:
        """What was registered is what is read: description, tags and metrics to the last bit."""
        metrics = {"accuracy": 0.1 + 0.2, "log_loss": 1e-300, "good.f1": 1 / 3}
        made = registry.register_model(package, "films", "the first", tags={"candidate": "x"}, metrics=metrics)
        read = registry.get_version("films", version="1")
        assert read == made
        assert (read.name, read.version, read.aliases, read.description) == ("films", "1", (), "the first")
        assert dict(read.metrics) == metrics
        assert dict(read.tags) == {"candidate": "x"}
        assert read.created_at.tzinfo is UTC

    def test_versions_are_numbered_within_a_model_and_listed_newest_first(
        self, registry: Registry, package: str, first: VersionInfo
    ) -> None:
        """Versions are numbered from 1 within a model, and listed newest first, also past the ninth."""
        for _ in range(10):
            registry.register_model(package, "films")
        registry.register_model(package, "songs")
        assert [info.version for info in registry.list_versions("films")] == [str(n) for n in range(11, 0, -1)]
        assert [info.version for info in registry.list_versions("songs")] == ["1"]
        assert [model.name for model in registry.list_models()] == ["films", "songs"]

    def test_a_missing_model_file_is_not_registered(self, registry: Registry, tmp_path: Path) -> None:
        """A model that does not exist is not registered, and leaves no model behind."""
        with pytest.raises(NotFoundError):
            registry.register_model(str(tmp_path / "nothing"), "films")
        assert list(registry.list_models()) == []

    def test_an_alias_names_one_version_at_a_time(self, registry: Registry, package: str, first: VersionInfo) -> None:
        """An alias names one version at a time, and a version may have several."""
        registry.register_model(package, "films")
        registry.set_alias("films", "champion", "1")
        registry.set_alias("films", "best", "1")
        assert registry.get_version("films", alias="champion").aliases == ("best", "champion")
        registry.set_alias("films", "champion", "2")
        champion = registry.champion("films")
        assert champion is not None
        assert (champion.version, champion.aliases) == ("2", ("champion",))
        assert [info.aliases for info in registry.list_versions("films")] == [("champion",), ("best",)]

    def test_an_alias_cannot_name_a_missing_version(self, registry: Registry, first: VersionInfo) -> None:
        """An alias cannot name a version that does not exist, and stays where it was."""
        registry.set_alias("films", "champion", "1")
        with pytest.raises(NotFoundError):
            registry.set_alias("films", "champion", "7")
        with pytest.raises(NotFoundError):
            registry.set_alias("songs", "champion", "1")
        assert registry.get_version("films", alias="champion").version == "1"

    def test_a_deleted_alias_names_nothing(self, registry: Registry, first: VersionInfo) -> None:
        """An alias that was taken away names nothing; to take a missing one away does nothing."""
        registry.set_alias("films", "champion", "1")
        registry.delete_alias("films", "champion")
        registry.delete_alias("films", "champion")
        registry.delete_alias("songs", "champion")
        assert registry.champion("films") is None
        assert registry.get_version("films", version="1").aliases == ()

    @pytest.mark.parametrize("alias", ["latest", "v2"])
    def test_an_alias_that_looks_like_a_version_is_refused(
        self, registry: Registry, first: VersionInfo, alias: str
    ) -> None:
        """An alias that could be read as a version is refused."""
        with pytest.raises(TiltyardError, match=alias):
            registry.set_alias("films", alias, "1")

    def test_what_does_not_exist_is_not_found_with_a_next_step(self, registry: Registry, first: VersionInfo) -> None:
        """A version, alias or model that does not exist is not found, and the error says what to do."""
        for name, version, alias in (
            ("films", "2", None),
            ("films", "two", None),
            ("films", "", None),
            ("films", "01", None),
            ("films", "+1", None),
            ("films", " 1", None),
            ("films", "１", None),
            ("films", "9" * 30, None),
            ("films", None, "champion"),
            ("films", None, "challenger"),
            ("songs", "1", None),
            ("songs", None, "champion"),
        ):
            with pytest.raises(NotFoundError) as refusal:
                registry.get_version(name, version=version, alias=alias)
            assert refusal.value.next_step

    def test_a_version_is_named_by_number_or_by_alias(self, registry: Registry, first: VersionInfo) -> None:
        """A version is requested by number or by alias: exactly one of them."""
        with pytest.raises(UsageError):
            registry.get_version("films")
        with pytest.raises(UsageError):
            registry.get_version("films", version="1", alias="champion")

    def test_a_tag_can_be_set_again(self, registry: Registry, first: VersionInfo) -> None:
        """A tag can be set later, and set again; nothing else changes."""
        registry.set_alias("films", "champion", "1")
        registry.set_tag("films", "1", "approved", "no")
        registry.set_tag("films", "1", "approved", "yes")
        read = registry.get_version("films", version="1")
        assert dict(read.tags) == {"approved": "yes"}
        assert (read.description, read.aliases) == ("the first", ("champion",))

    def test_a_version_is_found_by_its_semantic_label(
        self, registry: Registry, package: str, first: VersionInfo
    ) -> None:
        """A version is found by its semantic label too; an unknown label is not found."""
        second = registry.register_model(package, "films", tags={"tiltyard.label": "1.1.0"})
        found = registry.get_version("films", version="1.1.0")
        assert (found.version, found.label) == (second.version, "1.1.0")
        assert registry.get_version("films", version="1").label is None
        with pytest.raises(NotFoundError):
            registry.get_version("films", version="2.0.0")

    def test_a_version_is_fetched_once_and_whole(self, registry: Registry, first: VersionInfo, tmp_path: Path) -> None:
        """A fetched version is whole, stands in the cache, and is fetched once."""
        folder = registry.fetch(first, tmp_path / "cache")
        assert folder.is_relative_to(tmp_path / "cache")
        assert read_package(folder).manifest.model_name == "films"
        inode = folder.stat().st_ino
        assert registry.fetch(first, tmp_path / "cache") == folder
        assert folder.stat().st_ino == inode
        assert list((tmp_path / "cache").rglob(".fetch-*")) == []

    def test_concurrent_fetches_all_get_a_whole_version(
        self, registry: Registry, first: VersionInfo, tmp_path: Path
    ) -> None:
        """Several threads that fetch a version at once all get a whole one."""
        with ThreadPoolExecutor(4) as pool:
            folders = list(pool.map(lambda _: registry.fetch(first, tmp_path), range(4)))
        assert len(set(folders)) == 1
        assert read_package(folders[0]).manifest.model_name == "films"

    def test_two_versions_never_share_a_copy(
        self, registry: Registry, first: VersionInfo, package: str, tmp_path: Path
    ) -> None:
        """Two versions never share a copy."""
        second = registry.register_model(package, "films")
        assert registry.fetch(first, tmp_path) != registry.fetch(second, tmp_path)
