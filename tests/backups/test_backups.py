"""Backups hold what was acknowledged, and are put in place whole or not at all."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.films import Films, make_films
from tests.postgres import PostgresServer
from tests.small_disk import mount_disk
from tiltyard.backups.ledger_rows import copy_ledger, count_rows
from tiltyard.backups.make_backup import make_backup
from tiltyard.backups.restore_backup import restore_backup
from tiltyard.errors import ArtifactError, TiltyardError, UnavailableError, UsageError
from tiltyard.ledger import Label, SqlLedger
from tiltyard.ledger.spools.spool_shipper import ship_folder
from tiltyard.settings import Settings
from tiltyard.sqlite import open_read_only
from tiltyard.testing import make_event, make_prediction


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, fresh_store: Path) -> Films:
    """A project with a champion, recorded predictions, API keys and secrets; tests copy it."""
    made = make_films(tmp_path_factory.mktemp("backups") / "films", rows=200, store=fresh_store)
    made.call("train", "--champion", "--accept-data", check=False)
    made.call("set-alias", "--version", "1", "--alias", "champion", "--reason", "to have one")
    made.call("keys", "api", "new", "--scope", "read")
    (made.root / ".env").write_text("TILTYARD_SMTP_HOST=mail.example\n", encoding="utf-8")
    with SqlLedger.open(f"sqlite:///{made.root}/.tiltyard/ledger.db") as ledger:
        ledger.record([make_prediction(project="films-classifier") for _ in range(50)])
    return made


@pytest.fixture
def films(trained: Films, tmp_path: Path) -> Films:
    """A copy of the project that a test may change."""
    return Films(Path(shutil.copytree(trained.root, tmp_path / "films")))


@pytest.fixture
def other(tmp_path: Path, trained: Films) -> Films:
    """A host that has the project's files, and nothing else."""
    root = tmp_path / "other"
    root.mkdir()
    for name in ("tiltyard.toml", "reviews.csv"):
        shutil.copy(trained.root / name, root)
    return Films(root)


def test_a_restored_project_is_as_it_was(films: Films, other: Films, tmp_path: Path) -> None:
    """Another host has the champion, its files, rows, decisions, keys and settings, and continues from there."""
    made = films.call_json("backup", str(tmp_path / "backup"))
    found = other.call_json("restore", str(tmp_path / "backup"))
    assert isinstance(made, dict)
    assert isinstance(found, dict)
    assert found["champions"] == {"films-classifier": "1"}
    assert found["rows"] == made["rows"]
    assert made["rows"]["predictions"] == 50
    assert (made["elsewhere"], found["notes"]) == ([], [])
    for words in (["list-versions"], ["history"], ["keys", "api", "list"], ["predictions", "stats"]):
        assert _call_anywhere(other, *words) == _call_anywhere(films, *words)
    assert (other.root / ".env").read_text("utf-8") == "TILTYARD_SMTP_HOST=mail.example\n"
    assert json.loads(other.call("predict", "--json", "a fine film").stdout)
    assert other.call("train", "--accept-data", check=False).returncode == 0
    modes = {path.stat().st_mode & 0o077 for path in (tmp_path / "backup").rglob("*")}
    assert modes == {0}, "others can read a backup"


def _call_anywhere(films: Films, *words: str) -> str:
    """What a command says, whichever folder the project is in."""
    return json.dumps(films.call_json(*words)).replace(str(films.root), "ROOT")


def test_nothing_recorded_before_a_backup_is_missing_in_it(films: Films, tmp_path: Path) -> None:
    """What is shipped from a spool to the ledger between their copies is in the backup."""
    settings = Settings(root=films.root)
    settings.spool.mkdir()
    rows = [make_prediction() for _ in range(3)]
    with SqlLedger.open(f"sqlite:///{settings.spool}/0.db") as spool:
        spool.record(rows)
    copied: list[str] = []

    def ship_behind_the_first(path: str) -> None:
        if copied:
            with SqlLedger.open(settings.ledger_url) as central:
                ship_folder(settings.spool, central)
        copied.append(path)

    make_backup(settings, "films", tmp_path / "backup", ship_behind_the_first)
    state = tmp_path / "backup" / "state"
    assert {row.id for row in rows} <= _list_ids(state / "ledger.db") | _list_ids(state / "spool" / "0.db")
    assert _list_ids(settings.spool / "0.db") == set(), "nothing was shipped meanwhile"


def test_what_moves_is_copied_where_it_comes_from_first(films: Films, tmp_path: Path) -> None:
    """Spools are copied before the ledger, MLflow's database before artifacts, which are there before it names them."""
    settings = Settings(root=films.root)
    settings.spool.mkdir()
    SqlLedger.open(f"sqlite:///{settings.spool}/0.db").close()
    order: list[str] = []
    make_backup(settings, "films", tmp_path / "backup", order.append)
    first = [next(n for n, path in enumerate(order) if f"/{part}" in path) for part in
             ("spool/", "ledger.db", "mlflow.db", "artifacts/")]  # fmt: skip
    assert first == sorted(first)


def _list_ids(file: Path) -> set[str]:
    with closing(open_read_only(file)) as connection:
        return {str(row[0]) for row in connection.execute("select id from predictions")}


def _change(folder: Path) -> None:
    file = next((folder / "state" / "artifacts").rglob("*.skops"))
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def _remove(folder: Path) -> None:
    (folder / "state" / "api-keys.json").unlink()


def _add(folder: Path) -> None:
    (folder / "state" / "more.txt").write_text("x", encoding="utf-8")


def _damage_manifest(folder: Path) -> None:
    (folder / "backup.json").write_text("{", encoding="utf-8")


def _remove_manifest(folder: Path) -> None:
    (folder / "backup.json").unlink()


@pytest.mark.parametrize(
    ("damage", "error"),
    [
        (_change, ArtifactError),
        (_remove, ArtifactError),
        (_add, ArtifactError),
        (_damage_manifest, UsageError),
        (_remove_manifest, UsageError),
    ],
)
def test_a_backup_that_is_not_as_it_was_made_is_not_put_in_place(
    films: Films, other: Films, tmp_path: Path, damage: Callable[[Path], None], error: type[TiltyardError]
) -> None:
    """A changed, missing or added file, or a manifest that cannot be read, is named; nothing is put in place."""
    folder = tmp_path / "backup"
    make_backup(Settings(root=films.root), "films", folder)
    damage(folder)
    with pytest.raises(error) as caught:
        restore_backup(folder, Settings(root=other.root))
    assert caught.value.next_step
    assert not (other.root / ".tiltyard").exists()


def test_a_backup_replaces_nothing(films: Films, tmp_path: Path) -> None:
    """Neither what is at its target, nor what is where it would be put in place, nor another .env is overwritten."""
    settings, folder = Settings(root=films.root), tmp_path / "backup"
    make_backup(settings, "films", folder)
    for target in (folder, films.root / "tiltyard.toml", films.root / ".tiltyard" / "backup"):
        with pytest.raises(UsageError):
            make_backup(settings, "films", target)
    ledger = (films.root / ".tiltyard" / "ledger.db").read_bytes()
    with pytest.raises(UsageError, match="there already"):
        restore_backup(folder, settings)
    assert (films.root / ".tiltyard" / "ledger.db").read_bytes() == ledger
    (films.root / ".tiltyard").rename(tmp_path / "before")
    (films.root / ".env").write_text("TILTYARD_SMTP_HOST=other.example\n", encoding="utf-8")
    [note] = restore_backup(folder, settings).notes
    assert ".env was left as it is" in note
    assert "other.example" in (films.root / ".env").read_text("utf-8")


def test_a_backup_that_cannot_be_finished_leaves_nothing(films: Films, tmp_path: Path) -> None:
    """On a disk without room the backup and its restoring fail with an error of ours, and leave nothing behind."""
    settings = Settings(root=films.root)
    with mount_disk(tmp_path / "small", 1) as small:
        with pytest.raises(UnavailableError) as caught:
            make_backup(settings, "films", small / "backup")
        assert list(small.iterdir()) == []
        assert caught.value.next_step
        make_backup(settings, "films", tmp_path / "backup")
        with pytest.raises(UnavailableError):
            restore_backup(tmp_path / "backup", Settings(root=small))
        assert list(small.iterdir()) == []


def test_a_project_without_a_state_folder_has_nothing_to_back_up(other: Films, tmp_path: Path) -> None:
    """Where nothing was trained or served yet, the command says so."""
    done = other.call("backup", str(tmp_path / "backup"), check=False)
    assert done.returncode == 1
    assert "nothing to back up" in done.stderr
    assert not (tmp_path / "backup").exists()


def test_a_project_without_a_ledger_is_backed_up(films: Films, tmp_path: Path) -> None:
    """Where nothing was recorded or decided yet, the rest is backed up, and restored with an empty ledger."""
    settings = Settings(root=films.root)
    (settings.state / "ledger.db").unlink()
    assert make_backup(settings, "films", tmp_path / "backup").rows["predictions"] == 0
    assert not (settings.state / "ledger.db").exists()
    settings.state.rename(tmp_path / "before")
    assert restore_backup(tmp_path / "backup", settings).champions == {"films-classifier": "1"}


def test_what_lies_elsewhere_is_named(films: Films, tmp_path: Path) -> None:
    """MLflow's server, its artifacts and rows in an object store are not part of a backup, and named."""
    settings = Settings(
        root=films.root,
        mlflow_tracking_uri="http://me:secret@mlflow.example:5000",
        artifacts="s3://models/films",
        snapshots="s3://rows/films",
    )
    manifest = make_backup(settings, "films", tmp_path / "backup")
    text = " ".join(manifest.elsewhere)
    assert all(place in text for place in ("mlflow.example:5000", "s3://models/films", "s3://rows/films"))
    assert "secret" not in text


@pytest.fixture(params=["sqlite", "postgresql"])
def urls(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str]:
    """A ledger that is backed up, and an empty database of the other kind."""
    server: PostgresServer = request.getfixturevalue("postgres")
    both = (f"sqlite:///{tmp_path}/outside/ledger.db", server.database())
    return both if request.param == "sqlite" else (both[1], both[0])


def test_a_ledger_is_restored_into_another_database(urls: tuple[str, str], films: Films, tmp_path: Path) -> None:
    """From SQLite to PostgreSQL or back every row is the same, the chain holds, and what comes next is numbered on."""
    source, target = urls
    rows = [make_prediction() for _ in range(5)]
    with SqlLedger.open(source) as ledger:
        ledger.record(rows)
        ledger.record_labels([Label(row.id, "good", row.at, "s") for row in rows])
        for _ in range(3):
            ledger.append(make_event())
    make_backup(Settings(root=films.root, ledger=source), "films", tmp_path / "backup")
    (films.root / ".tiltyard").rename(tmp_path / "before")
    settings = Settings(root=films.root, ledger=target)
    restore_backup(tmp_path / "backup", settings)
    assert count_rows(target) == count_rows(source)
    with SqlLedger.open(source) as before, SqlLedger.open(target) as after:
        assert sorted(after.predictions(), key=lambda row: row.id) == sorted(rows, key=lambda row: row.id)
        assert list(after.events()) == list(before.events())
        assert after.verify_events() == []
        after.record_labels([Label(rows[0].id, "bad", rows[0].at, "later")])
        after.append(make_event())
        assert after.verify_events() == []
    with pytest.raises(UsageError, match="in use"):
        copy_ledger(source, target)
