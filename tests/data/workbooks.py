"""Excel workbooks with the least that a reader needs."""

from __future__ import annotations

import io
import zipfile

_MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
_KINDS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_RELATIONS = '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'


def make_workbook(**sheets: list[list[object]]) -> bytes:
    """A workbook with a sheet for each list of rows, in this order."""
    names = list(sheets)
    listed = "".join(
        f'<sheet name="{name}" sheetId="{place}" r:id="r{place}"/>' for place, name in enumerate(names, start=1)
    )
    targets = "".join(
        f'<Relationship Id="r{place}" Type="{_KINDS}/worksheet" Target="worksheets/sheet{place}.xml"/>'
        for place in range(1, len(names) + 1)
    )
    parts = {
        "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>',
        "_rels/.rels": f'{_RELATIONS}<Relationship Id="r1" Type="{_KINDS}/officeDocument" Target="xl/workbook.xml"/>'
        "</Relationships>",
        "xl/workbook.xml": f'<workbook {_MAIN} xmlns:r="{_KINDS}"><sheets>{listed}</sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f"{_RELATIONS}{targets}</Relationships>",
        **{
            f"xl/worksheets/sheet{place}.xml": f"<worksheet {_MAIN}><sheetData>{_write_rows(sheets[name])}</sheetData>"
            "</worksheet>"
            for place, name in enumerate(names, start=1)
        },
    }
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    return content.getvalue()


def _write_rows(rows: list[list[object]]) -> str:
    return "".join(f"<row>{''.join(map(_write_cell, row))}</row>" for row in rows)


def _write_cell(cell: object) -> str:
    if cell is None:
        return "<c/>"
    return f'<c t="inlineStr"><is><t>{cell}</t></is></c>' if isinstance(cell, str) else f"<c><v>{cell}</v></c>"
