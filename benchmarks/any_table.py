"""Any table in: three commands, without an edit, on every file of some folders and on exports of it in other dialects.

    python benchmarks/any_table.py FOLDER_OR_FILE... --rows 2000 --json any_table.json
    python benchmarks/any_table.py FOLDER --dialect as-is --dialect utf-16

For each file ``tiltyard init FILE --yes``, ``tiltyard validate`` and ``tiltyard train --champion`` run in a fresh
folder, each in a process. The file is taken as it is, and, where it can be read as a table, exported in each dialect.
Large tables are exported with their first rows only (``--rows``).

A row of the report says how far a file came, and what the last command said where it ended early. The exit code is 1 if
an export ends otherwise than the file itself: one table, one result, whatever it is written in.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.progress import track
from rich.table import Table

from tiltyard.data.sources import detect_layout, read_source
from tiltyard.errors import TiltyardError
from tiltyard.project import DataSection

AS_IS = "as-is"
STEPS = (("init", "{file}", "--yes"), ("validate",), ("train", "--champion"))
console = Console(stderr=True)


@dataclass(frozen=True)
class TableResult:
    """How far a file came.

    Attributes:
        table: the file's name.
        dialect: how it was written.
        reached: the last command that ended well: "", ``init``, ``validate`` or ``train``.
        said: last line of what the first failing command, or the training, said.
    """

    table: str
    dialect: str
    reached: str
    said: str


def _write_csv(frame: pd.DataFrame, file: Path, **options: object) -> None:
    frame.to_csv(file, index=False, **options)  # type: ignore[call-overload]


Writer = Callable[[pd.DataFrame, Path], None]
DIALECTS: Mapping[str, tuple[str, Writer]] = {
    "semicolons, decimal commas": (".csv", lambda frame, file: _write_csv(frame, file, sep=";", decimal=",")),
    "tabs": (".tsv", lambda frame, file: _write_csv(frame, file, sep="\t")),
    "utf-16": (".csv", lambda frame, file: _write_csv(frame, file, encoding="utf-16")),
    "windows-1252, bars": (
        ".txt",
        lambda frame, file: _write_csv(frame, file, sep="|", encoding="cp1252", errors="replace"),
    ),
    "excel": (
        ".csv",
        lambda frame, file: _write_csv(
            frame, file, encoding="utf-8-sig", lineterminator="\r\n", quoting=csv.QUOTE_NONNUMERIC
        ),
    ),
    "json lines": (".json", lambda frame, file: frame.to_json(file, orient="records", lines=True, force_ascii=False)),
    "json array": (".json", lambda frame, file: frame.to_json(file, orient="records", date_format="iso")),
    "compressed": (".csv.gz", _write_csv),
}


def main() -> None:
    options = _parse_options()
    files = [file for path in options.paths for file in _find_files(path)]
    results: list[TableResult] = []
    with tempfile.TemporaryDirectory(prefix="tiltyard-tables-") as scratch:
        for number, file in enumerate(track(files, "Tables", console=console)):
            results += _try_table(file, options.dialects, options.rows, Path(scratch) / str(number))
    _print_results(results)
    if options.json:
        options.json.write_text(json.dumps([asdict(result) for result in results], indent=1), encoding="utf-8")
    sys.exit(int(any(_differs(result, results) for result in results)))


def _parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__.partition("\n")[0], formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("paths", nargs="+", type=Path, metavar="FOLDER_OR_FILE")
    parser.add_argument("--dialect", dest="dialects", action="append", choices=[AS_IS, *DIALECTS], help="default: all")
    parser.add_argument("--rows", type=int, default=2000, help="of a table that are exported (default: 2000)")
    parser.add_argument("--json", type=Path, help="where to write the results")
    options = parser.parse_args()
    options.dialects = options.dialects or [AS_IS, *DIALECTS]
    return options


def _find_files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
        return
    skipped = (".md", ".py", ".pyc")
    yield from (file for file in sorted(path.rglob("*")) if file.is_file() and file.suffix not in skipped)


def _try_table(file: Path, dialects: list[str], rows: int, scratch: Path) -> Iterator[TableResult]:
    if AS_IS in dialects:
        yield _run_steps(file, file, AS_IS, scratch / AS_IS)
    try:
        frame = _read_file(file).head(rows)
    except TiltyardError as error:
        console.print(f"{file.name} is not exported: {error.message}", highlight=False)
        return
    for dialect in (name for name in DIALECTS if name in dialects):
        suffix, write = DIALECTS[dialect]
        folder = scratch / dialect.replace(" ", "-").replace(",", "")
        folder.mkdir(parents=True)
        export = folder / f"{file.stem}{suffix}"
        write(frame, export)
        yield _run_steps(file, export, dialect, folder)


def _read_file(file: Path) -> pd.DataFrame:
    found = detect_layout(file, {}, header=None)
    section = DataSection.model_validate({"source": str(file), **found.options})
    return read_source(section, file.parent)


def _run_steps(table: Path, file: Path, dialect: str, folder: Path) -> TableResult:
    folder.mkdir(parents=True, exist_ok=True)
    reached, said = "", ""
    for step in STEPS:
        words = [word.format(file=file) for word in step]
        done = subprocess.run(
            [sys.executable, "-m", "tiltyard", *words],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        if done.returncode != 0:
            said = " ".join(line.strip() for line in lines[-3:])
            break
        reached, said = step[0], lines[-1] if lines else ""
    return TableResult(table.name, dialect, reached, said)


def _differs(result: TableResult, results: list[TableResult]) -> bool:
    """Whether an export ended otherwise than the table as it is."""
    own = next((one for one in results if one.table == result.table and one.dialect == AS_IS), result)
    return own.reached != result.reached


def _print_results(results: list[TableResult]) -> None:
    table = Table("table", "dialect", "reached", "said", title="Three commands without an edit", title_justify="left")
    for result in results:
        mark = " *" if _differs(result, results) else ""
        table.add_row(result.table, result.dialect, (result.reached or "-") + mark, result.said[:300])
    Console(width=200).print(table)
    trained = sum(result.reached == "train" for result in results)
    print(f"{trained} of {len(results)} files reached a champion; * ended otherwise than the table as it is.")


if __name__ == "__main__":
    main()
