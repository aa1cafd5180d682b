"""Any table in: three commands, without an edit, on every file of some folders and on exports of it in other dialects.

    python benchmarks/any_table.py FOLDER_OR_FILE... --rows 2000 --json any_table.json --markdown any_table.md
    python benchmarks/any_table.py FOLDER --dialect as-is --dialect utf-16

For each file ``tiltyard init FILE --yes``, ``tiltyard validate`` and ``tiltyard train --champion`` run in a fresh
folder. The file is taken as it is and whole; where it can be read as a table, it is also exported in each dialect. Of
a large table ``--rows`` rows are exported, drawn once by a fixed seed and kept in their order. A folder of files with
one text a line is one table.

Each command runs in a fork of this process, which has imported Tiltyard and made MLflow's empty tables, so the seconds
(processor time) are those of the work. Each project gets a copy of these tables.

The exit code is 1 if exports of one table differ in how far they came or in what init decided (label, task, text,
classes, features): one table, one result, whatever it is written in.
"""

from __future__ import annotations

import argparse
import csv
import importlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.machine import machine

from tiltyard.cli.main import main as run_tiltyard
from tiltyard.data.sources import detect_layout, read_source
from tiltyard.errors import TiltyardError
from tiltyard.project import DataSection

AS_IS = "as-is"
STEPS = (("init", "{file}", "--yes", "--json"), ("validate", "--json"), ("train", "--champion", "--json"))
WARM = (
    "mlflow.sklearn",
    "matplotlib.pyplot",
    "sklearn.ensemble",
    "tiltyard.app_wiring",
    "tiltyard.cli.data.init",
    "tiltyard.cli.data.validate",
    "tiltyard.cli.training.train",
)
REPORTED = 300  # characters of a message
console = Console(stderr=True)


@dataclass(frozen=True)
class TableResult:
    """How far a file came.

    Attributes:
        table: the file's name.
        dialect: how it was written.
        rows: rows that init read.
        reached: the last command that ended well: "", ``init``, ``validate`` or ``train``.
        decided: what init decided: task, label, text, metric, classes, features, columns left out.
        said: what the first failing command said; else the metrics of the champion.
        seconds: processor time of each command.
    """

    table: str
    dialect: str
    rows: int = 0
    reached: str = ""
    decided: Mapping[str, Any] = field(default_factory=dict)
    said: str = ""
    seconds: Mapping[str, float] = field(default_factory=dict)

    @property
    def outcome(self) -> tuple[str, object]:
        """What has to be the same for all exports of a table."""
        return self.reached, {name: value for name, value in self.decided.items() if name != "left out"}


def _write_csv(frame: pd.DataFrame, file: Path, **options: object) -> None:
    frame.to_csv(file, index=False, **options)  # type: ignore[call-overload]


def _write_objects(frame: pd.DataFrame) -> list[str]:
    """Each row as a JSON object with exact numbers; pandas' own writer rounds them to ten digits."""
    rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return [json.dumps(row, default=str) for row in rows]


Writer = Callable[[pd.DataFrame, Path], object]
DIALECTS: Mapping[str, tuple[str, Writer]] = {
    "commas": (".csv", _write_csv),
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
    "json lines": (".json", lambda frame, file: file.write_text("\n".join(_write_objects(frame)), encoding="utf-8")),
    "json array": (".json", lambda frame, file: file.write_text(f"[{','.join(_write_objects(frame))}]")),
    "compressed": (".csv.gz", _write_csv),
}


def main() -> None:
    options = _parse_options()
    files = [file for path in options.paths for file in _find_tables(path)]
    results: list[TableResult] = []
    with tempfile.TemporaryDirectory(prefix="tiltyard-tables-") as scratch:
        store = _make_store(Path(scratch) / "mlflow.db")
        for name in WARM:
            importlib.import_module(name)
        for number, file in enumerate(files):
            for result in _try_table(file, options.dialects, options.rows, Path(scratch) / str(number), store):
                results.append(result)
                print(result.table, result.dialect, result.reached or "-", result.said, sep=" | ", flush=True)
                if options.json:
                    options.json.write_text(json.dumps([asdict(one) for one in results], indent=1), encoding="utf-8")
    _print_results(results)
    if options.markdown:
        options.markdown.write_text(_write_markdown(results, options.rows), encoding="utf-8")
    sys.exit(int(any(_differs(result, results) for result in results)))


def _parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__.partition("\n")[0], formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("paths", nargs="+", type=Path, metavar="FOLDER_OR_FILE")
    parser.add_argument("--dialect", dest="dialects", action="append", choices=[AS_IS, *DIALECTS], help="default: all")
    parser.add_argument("--rows", type=int, default=2000, help="of a table that are exported (default: 2000)")
    parser.add_argument("--json", type=Path, help="where to write the results")
    parser.add_argument("--markdown", type=Path, help="where to write the results as tables of a page")
    options = parser.parse_args()
    options.dialects = options.dialects or [AS_IS, *DIALECTS]
    return options


def _find_tables(path: Path) -> Iterator[Path]:
    """The files under a path; a folder of files that only differ in their endings is one table of lines."""
    if path.is_file():
        yield path
        return
    skipped = (".md", ".py", ".pyc")
    entries = sorted(entry for entry in path.iterdir() if entry.suffix not in skipped and entry.name != "__pycache__")
    files = [entry for entry in entries if entry.is_file()]
    if len(files) > 1 and len({file.stem for file in files}) == 1 and not _is_table(files[0]):
        yield path
    yield from files
    for folder in (entry for entry in entries if entry.is_dir()):
        yield from _find_tables(folder)


def _is_table(file: Path) -> bool:
    return _fork(lambda: int(_read_rows(file) is None)) == 0


def _make_store(file: Path) -> Path:
    """An SQLite file with MLflow's empty tables."""
    code = (
        "import sys; from tiltyard.registry.mlflow_backend.mlflow_client import open_client; open_client(sys.argv[1])"
    )
    subprocess.run([sys.executable, "-c", code, f"sqlite:///{file}"], check=True)
    return file


def _try_table(file: Path, dialects: list[str], rows: int, scratch: Path, store: Path) -> Iterator[TableResult]:
    if AS_IS in dialects:
        yield _run_steps(file, file, AS_IS, scratch / AS_IS, store)
    scratch.mkdir(parents=True, exist_ok=True)
    exports = {name: scratch / name.replace(" ", "-").replace(",", "") for name in DIALECTS if name in dialects}
    if _fork(lambda: _export(file, exports, rows)):
        console.print(f"{file.name} is not exported: it is not read as a table", highlight=False)
        return
    for dialect, folder in exports.items():
        yield _run_steps(file, next(folder.iterdir()), dialect, folder, store)


def _export(file: Path, exports: Mapping[str, Path], rows: int) -> int:
    """Write a table in each dialect; 1 if it cannot be read."""
    frame = _read_rows(file)
    if frame is None:
        return 1
    if len(frame) > rows:
        frame = frame.sample(rows, random_state=0).sort_index().reset_index(drop=True)
    for dialect, folder in exports.items():
        suffix, write = DIALECTS[dialect]
        folder.mkdir()
        write(frame, folder / f"{file.stem}{suffix}")
    return 0


def _read_rows(file: Path) -> pd.DataFrame | None:
    try:
        found = detect_layout(file, {}, header=None)
        section = DataSection.model_validate({"source": str(file), **found.options})
        return read_source(section, file.parent)
    except TiltyardError:
        return None


def _run_steps(table: Path, file: Path, dialect: str, folder: Path, store: Path) -> TableResult:
    (folder / ".tiltyard").mkdir(parents=True, exist_ok=True)
    shutil.copyfile(store, folder / ".tiltyard" / "mlflow.db")
    reached, said, seconds, decided, rows = "", "", {}, {}, 0
    for step in STEPS:
        log = folder / f"{step[0]}.log"
        before = os.times()
        words = [word.format(file=file) for word in step]
        code = _fork(partial(_run_command, words, folder), log)
        after = os.times()
        used = after.children_user + after.children_system - before.children_user - before.children_system
        seconds[step[0]] = round(used, 2)
        output = log.read_text(encoding="utf-8", errors="replace")
        printed = _read_json(output)
        if code != 0:
            said = _describe_error(printed, output, table)
            break
        reached = step[0]
        if reached == "init":
            rows, decided = printed["rows"], _read_guess(printed["guess"])
        if reached == "train":
            said = _describe_champion(printed)
    return TableResult(table.name, dialect, rows, reached, decided, said, seconds)


def _run_command(words: list[str], folder: Path) -> int:
    os.chdir(folder)
    try:
        run_tiltyard(words)
    except SystemExit as left:
        return left.code if isinstance(left.code, int) else 0
    return 0


def _fork(work: Callable[[], int], log: Path | None = None) -> int:
    """The exit code of some work in a child of this process; its output goes into a file."""
    child = os.fork()
    if child == 0:
        code = 70
        try:
            target = os.open(log or os.devnull, os.O_WRONLY | os.O_CREAT)
            os.dup2(target, 1)
            os.dup2(target, 2)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            code = work()
        except BaseException:  # noqa: BLE001 - a child never returns into the stack of its parent
            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _read_json(output: str) -> dict[str, Any]:
    """The object that a command printed among its messages."""
    for line in output.splitlines():
        if line.startswith("{"):
            found: dict[str, Any] = json.loads(line)
            return found
    return {}


def _read_guess(guess: Mapping[str, Any]) -> dict[str, Any]:
    columns = guess["columns"]
    return {
        "task": guess["task"],
        "label": guess["label"],
        "text": guess["text"],
        "metric": guess["metric"],
        "classes": sorted(guess["classes"]),
        "features": [column["name"] for column in columns if column["role"] == "feature"],
        "left out": {column["name"]: column["reason"] for column in columns if column["role"] == "left out"},
    }


def _describe_champion(outcome: Mapping[str, Any]) -> str:
    metrics = outcome["metrics"]
    return f"{outcome['status']}: accuracy {metrics['accuracy']:.4f}, f1 {metrics['f1']:.4f}"


def _describe_error(printed: Mapping[str, Any], output: str, table: Path) -> str:
    """What a command said that failed: its error and next step, else the end of its output."""
    error = printed.get("error")
    said = f"{error['message']} Next: {error['next_step']}" if error else _shorten(output)
    return said.replace(f"{table.parent}/", "")


def _shorten(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return " ".join(lines[-6:])[-2 * REPORTED :]


def _differs(result: TableResult, results: list[TableResult]) -> bool:
    """Whether an export ended otherwise than the first export of the same table."""
    if result.dialect == AS_IS:
        return False
    first = next(one for one in results if one.table == result.table and one.dialect != AS_IS)
    return first.outcome != result.outcome


def _print_results(results: list[TableResult]) -> None:
    table = Table("table", "dialect", "reached", "said", title="Three commands without an edit", title_justify="left")
    for result in results:
        mark = " *" if _differs(result, results) else ""
        table.add_row(result.table, result.dialect, (result.reached or "-") + mark, result.said[:REPORTED])
    Console(width=200).print(table)
    trained = sum(result.reached == "train" for result in results)
    print(f"{trained} of {len(results)} files reached a champion; * ended otherwise than the first export.")


def _write_markdown(results: list[TableResult], rows: int) -> str:
    """Two tables: each file as it is, and tables by dialects."""
    lines = [
        f"{machine('pandas', 'scikit-learn')}; seconds of processor time, without imports.",
        "",
        "| file | rows | what `init` decided | result | init, validate, train (s) |",
        "|---|---|---|---|---|",
    ]
    for one in (result for result in results if result.dialect == AS_IS):
        took = ", ".join(f"{one.seconds[step[0]]:.1f}" for step in STEPS if step[0] in one.seconds)
        lines.append(f"| `{one.table}` | {one.rows:,} | {_describe_guess(one)} | {_escape(one.said)} | {took} |")
    names = [name for name in DIALECTS if any(result.dialect == name for result in results)]
    lines += ["", f"Exports of at most {rows:,} rows:", ""]
    lines += [f"| file | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for table in dict.fromkeys(result.table for result in results if result.dialect != AS_IS):
        cells = {one.dialect: _describe_export(one, results) for one in results if one.table == table}
        lines.append(f"| `{table}` | " + " | ".join(cells.get(name, "") for name in names) + " |")
    return "\n".join(lines) + "\n"


def _describe_guess(result: TableResult) -> str:
    found = result.decided
    if not found:
        return ""
    classes = ", ".join(f"`{name}`" for name in found["classes"][:4]) + (", …" if len(found["classes"]) > 4 else "")
    inputs = f"text `{found['text']}`" if found["text"] else f"{len(found['features'])} features"
    left_out = ", ".join(f"`{name}`" for name in found["left out"])
    return _escape(
        f"label `{found['label']}` ({classes}), {inputs}, {found['metric']}"
        + (f"; left out {left_out}" if left_out and not found["text"] else "")
    )


def _describe_export(result: TableResult, results: list[TableResult]) -> str:
    accuracy = result.said.partition("accuracy ")[2].partition(",")[0]
    word = accuracy if result.reached == "train" else f"ends after {result.reached}" if result.reached else "refused"
    return f"**{word}**" if _differs(result, results) else word


def _escape(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    main()
