"""Codes with leading zeros, and thousands between which a space or an apostrophe stands."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import pandas as pd
import pytest

from tiltyard.data.conform.text_scan import has_leading_zero
from tiltyard.data.inference.class_choice import choose_positive
from tiltyard.data.sources import detect_layout, read_source
from tiltyard.project import DataSection

CODES = ["01234", "1234", "02822", "98765"] * 10


def read(path: Path) -> pd.DataFrame:
    layout = detect_layout(path, {}, header=True)
    section = DataSection(source=path.name, label="y", **layout.options)
    return read_source(section, path.parent, verbatim=("y",), found=[])


@pytest.mark.parametrize("shape", ["plain", "quoted", "gaps", "utf-16", "gzip", "blanks"])
def test_codes_keep_their_zeros(tmp_path: Path, shape: str) -> None:
    """A column with a number that begins with a needless zero holds codes, however the file is written."""
    cells = {
        "quoted": [f'"{code}"' for code in CODES],
        "gaps": ["", *CODES[1:]],
        "blanks": [f" {code} " for code in CODES],
    }
    lines = [f"{place % 7}.5,{cell},{place},{place % 2}" for place, cell in enumerate(cells.get(shape, CODES))]
    text = "\n".join(["fee,zip,n,y", *lines, ""])
    path = tmp_path / ("a.csv.gz" if shape == "gzip" else "a.csv")
    content = text.encode("utf-16" if shape == "utf-16" else "utf-8")
    path.write_bytes(gzip.compress(content) if shape == "gzip" else content)
    frame = read(path)
    assert frame["zip"].str.strip().iloc[2] == "02822"
    assert pd.api.types.is_float_dtype(frame["fee"])
    assert pd.api.types.is_integer_dtype(frame["n"])


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a,0123\n", True),
        ("0123,a\n", True),
        ("a,0,0.5,10,-0\n", False),
        ("2024-01-05,a\n", False),
        ('"007"', True),
        ("", False),
    ],
)
@pytest.mark.parametrize("before", [0, *((1 << 18) - short for short in range(9)), (1 << 19) - 3])
def test_a_leading_zero_is_found_wherever_it_stands(text: str, found: bool, before: int) -> None:
    """A needless zero is found at any place, also where blocks meet; decimals and dates have none."""
    filled = "x" * (before - 1) + "\n" if before else ""
    assert has_leading_zero(io.BytesIO((filled + text).encode()), b",") == found


@pytest.mark.parametrize("mark", [" ", "\u00a0", "\u202f", "'", "\u2019"])
@pytest.mark.parametrize("decimal", [",", "."])
def test_thousands_of_any_country_are_found(tmp_path: Path, mark: str, decimal: str) -> None:
    """A space of any width or an apostrophe between thousands is found, next to decimal points and commas."""
    lines = [f"{1 + place % 9}{mark}502{decimal}{10 + place};{place % 2}" for place in range(40)]
    path = tmp_path / "a.csv"
    path.write_text("\n".join(["amount;y", *lines, ""]), encoding="utf-8")
    frame = read(path)
    assert frame["amount"].iloc[0] == pytest.approx(1502.10)


@pytest.mark.parametrize(
    ("names", "positive"), [("Ja Nein", "Ja"), ("Oui Non", "Oui"), ("Sí No", "Sí"), ("Nee Ja", "Ja")]
)
def test_yes_is_positive_in_other_languages(names: str, positive: str) -> None:
    """Of yes and no in a common language, yes is the positive class, however rare no is."""
    first, second = names.split()
    assert choose_positive({first: 70, second: 30}) == positive
    assert choose_positive({first: 30, second: 70}) == positive
