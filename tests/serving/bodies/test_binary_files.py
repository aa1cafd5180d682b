"""A workbook or a Parquet file of a stranger costs a bounded process, and never the worker."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from urllib.parse import quote

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.serving.interfaces import ROW, ServerUnderTest

pytest.importorskip("python_calamine")

XML = '<?xml version="1.0"?>'
PARTS = "http://schemas.openxmlformats.org"
KINDS = f"{PARTS}/officeDocument/2006/relationships"
RELATIONS = f'{XML}<Relationships xmlns="{PARTS}/package/2006/relationships">'
SHEET_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"


def workbook(rows: str) -> bytes:
    """A workbook of one sheet with these rows."""
    main = f"{PARTS}/spreadsheetml/2006/main"
    parts = {
        "[Content_Types].xml": f'{XML}<Types xmlns="{PARTS}/package/2006/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{SHEET_TYPE}.sheet.main+xml"/>'
        f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{SHEET_TYPE}.worksheet+xml"/></Types>',
        "_rels/.rels": f'{RELATIONS}<Relationship Id="r1" Type="{KINDS}/officeDocument" Target="xl/workbook.xml"/>'
        "</Relationships>",
        "xl/workbook.xml": f'{XML}<workbook xmlns="{main}" xmlns:r="{KINDS}"><sheets><sheet name="S" sheetId="1" '
        'r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'{RELATIONS}<Relationship Id="r1" Type="{KINDS}/worksheet" '
        'Target="worksheets/sheet1.xml"/></Relationships>',
        "xl/worksheets/sheet1.xml": f'{XML}<worksheet xmlns="{main}"><sheetData>{rows}</sheetData></worksheet>',
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return packed.getvalue()


def far_cells() -> bytes:
    """A workbook whose second cell is as far from the first as it can be: a table of seventeen billion cells."""
    return workbook(
        '<row r="1"><c r="A1" t="str"><v>age</v></c></row><row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'
    )


def repeated_text() -> bytes:
    """A Parquet file of a kilobyte with a text that 9,000 rows share: three gigabytes when written out."""
    text = pa.DictionaryArray.from_arrays(pa.array([0] * 9000, pa.int32()), pa.array(["x" * 300_000]))
    packed = io.BytesIO()
    pq.write_table(pa.table({"town": text}), packed, compression="zstd", store_schema=False)
    return packed.getvalue()


def whole_table() -> bytes:
    """A Parquet file with what JSON has no word for."""
    packed = io.BytesIO()
    frame = pd.DataFrame([ROW, {**ROW, "age": None}]).assign(at=pd.Timestamp("2026-01-31"), raw=[b"a", b"b"])
    frame.to_parquet(packed)
    return packed.getvalue()


@pytest.mark.parametrize(("name", "make"), [("a.xlsx", far_cells), ("a.data", far_cells), ("a.parquet", repeated_text)])
def test_a_file_that_takes_too_much_memory_is_refused(
    towns: ServerUnderTest, name: str, make: Callable[[], bytes]
) -> None:
    """Its reader ends, by whatever ending it was sent; the server says why, and predicts the next request."""
    body = make()
    assert len(body) < 3000
    response = towns.client.post(f"/predict/file?name={quote(name)}", content=body, timeout=120)
    assert (response.status_code, response.json()["code"]) == (413, "request.too-large")
    assert "memory" in response.json()["detail"]
    assert towns.client.post("/predict", json={"features": ROW}).status_code == 200


def test_rows_come_whole_from_the_other_process(towns: ServerUnderTest) -> None:
    """Numbers, gaps, texts, times and bytes are what they were."""
    response = towns.client.post("/predict/file?name=a.parquet", content=whole_table(), timeout=60)
    assert response.status_code == 200, response.text
    rows = pd.read_csv(io.StringIO(response.text))
    assert list(rows["age"].fillna(0)) == [ROW["age"], 0]
    assert list(rows["town"]) == [ROW["town"]] * 2
    assert list(rows["at"]) == ["2026-01-31T00:00:00"] * 2
    assert list(rows["raw"]) == [61, 62]
