"""Labels that wait in a spool for their predictions: none that was acknowledged is dropped."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tiltyard.data.conform.labels import LabelCodec
from tiltyard.errors import UnavailableError
from tiltyard.ledger import Label, Ledger
from tiltyard.ledger.label_intake import ReportedLabel, check_labels
from tiltyard.ledger.spools.spool import SpooledLedger
from tiltyard.ledger.spools.spool_shipper import ship_folder
from tiltyard.testing import MemoryLedger, make_prediction

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


def away() -> Ledger:
    raise UnavailableError("The network is down.")


def test_an_old_truth_waits_for_a_prediction_that_waits_too(tmp_path: Path) -> None:
    """A label of long ago stays in its spool while the spool with its prediction cannot be read, and follows it."""
    central = MemoryLedger()
    folder = tmp_path / "spool"
    with SpooledLedger.open(folder, "0", away) as spool, SpooledLedger.open(folder, "1", away) as other:
        made = make_prediction()
        spool.record_labels([Label(made.id, "positive", LONG_AGO, "person")])
        other.record([made])
    file = folder / "1.db"
    whole = file.read_bytes()
    file.write_bytes(b"no database at all" * 500)
    ship_folder(folder, central)
    file.write_bytes(whole)
    ship_folder(folder, central)
    assert [label.prediction_id for label in central.labels()] == [made.id]


def test_a_correction_ranks_after_a_label_that_waits_in_another_spool(tmp_path: Path) -> None:
    """While the central ledger is away, a correction by a clock that was set back still counts in the end."""
    central, folder = MemoryLedger(), tmp_path / "spool"
    made = make_prediction()
    with SpooledLedger.open(folder, "0", away) as corrects, SpooledLedger.open(folder, "1", away) as first:
        first.record([made])
        for spool, truth, now in ((first, "positive", LONG_AGO), (corrects, "negative", LONG_AGO - timedelta(days=9))):
            codec = LabelCodec(("negative", "positive"))
            reported = [ReportedLabel(truth, "test", made.id)]
            [found] = check_labels(spool, "films", reported, codec=codec, now=now)
            assert found.label
            spool.record_labels([found.label])
    ship_folder(folder, central)
    ship_folder(folder, central)
    assert [label.label for label in central.labels()] == ["negative"]


def test_an_old_label_without_a_prediction_is_set_aside(tmp_path: Path) -> None:
    """A label of long ago whose prediction no spool has leaves its spool, and is kept with the reason."""
    central = MemoryLedger()
    with SpooledLedger.open(tmp_path / "spool", "0", away) as spool:
        spool.record_labels([Label("nobody's", "positive", LONG_AGO, "person")])
        ship_folder(tmp_path / "spool", central)
        assert spool.lag().rows == 0
    [kept] = central.arrivals.select()
    assert (kept.kind, kept.subject, kept.content["label"]) == ("label", "nobody's", "positive")
    assert "No ledger has its prediction" in kept.message


def test_a_folder_of_spools_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    """Shipping from a folder that cannot be used is an error of ours that names it."""
    (tmp_path / "spool").write_text("", encoding="utf-8")
    with pytest.raises(UnavailableError, match="The folder of the spools"):
        ship_folder(tmp_path / "spool", MemoryLedger())
