"""Reading rows from files and folders into a data frame, with errors that say which file and what to do."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from tiltyard.errors import DataError
from tiltyard.project import DataSection

FORMATS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
}

# aclImdb keeps its unlabelled reviews beside the folders of the classes.
UNLABELLED_FOLDER = "unsup"


def read_source(section: DataSection, root: Path, *, verbatim: tuple[str, ...] = ()) -> pd.DataFrame:
    """Read every row of a project's source.

    Args:
        section: the project's ``[data]``.
        root: folder that a relative source starts from.
        verbatim: columns whose cells are text as they stand (``NA`` and ``null`` are words there, not gaps).

    Returns:
        All columns of all rows, numbered from 0. A folder gives the columns ``text``, the label column, ``path``,
        and ``split`` where it holds the folders ``train`` and ``test``.

    Raises:
        DataError: the source is missing, empty, unreadable, or not of its format.
    """
    frames = [_read(path, section, verbatim) for path in _paths(section, root)]
    frame = frames[0] if len(frames) == 1 else pd.concat(frames, ignore_index=True)
    if frame.empty:
        raise DataError(
            f"{section.source} holds no rows.",
            next_step="Check data.source in the project file.",
            code="data.empty",
        )
    return frame


def _paths(section: DataSection, root: Path) -> list[Path]:
    if any(character in section.source for character in "*?["):
        found = sorted(path for path in root.glob(section.source) if path.is_file())
        if not found:
            raise DataError(
                f"No file fits data.source = {section.source!r} under {root}.",
                next_step="Check the pattern and the folder.",
                code="data.missing",
            )
        return found
    path = root / section.source
    if not path.exists():
        raise DataError(
            f"The data file {path} does not exist.",
            next_step="Check data.source in the project file; it is relative to that file.",
            code="data.missing",
        )
    return [path]


def _read(path: Path, section: DataSection, verbatim: tuple[str, ...]) -> pd.DataFrame:
    kind = section.format or ("folder" if path.is_dir() else FORMATS.get(path.suffix.lower()))
    if kind is None:
        raise DataError(
            f"The format of {path.name} is not known from its ending {path.suffix!r}.",
            next_step='Set data.format to "csv", "tsv", "jsonl", "parquet" or "folder".',
            code="data.format-unknown",
        )
    if kind != "folder" and path.is_file() and path.stat().st_size == 0:
        raise DataError(
            f"{path} is empty (0 bytes).",
            next_step="Check data.source in the project file.",
            code="data.empty",
        )
    try:
        return _READERS[kind](path, section, verbatim)
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is not {section.encoding} (byte {error.start} is 0x{error.object[error.start]:02x}).",
            next_step='Save it as UTF-8, or name its encoding, such as data.encoding = "latin-1".',
            code="data.encoding",
        ) from None
    except LookupError:
        raise DataError(
            f"data.encoding = {section.encoding!r} is no encoding that Python knows.",
            next_step='Use a name such as "utf-8", "latin-1" or "cp1252".',
            code="data.encoding",
        ) from None
    except pd.errors.EmptyDataError:
        raise DataError(
            f"{path} holds no columns.", next_step="Check data.source in the project file.", code="data.empty"
        ) from None
    except (ValueError, OSError) as error:
        raise DataError(
            f"{path} cannot be read as {kind}: {_first_line(error)}.",
            next_step="Correct the file, or set data.format.",
            code="data.unreadable",
        ) from None


def _read_csv(path: Path, section: DataSection, verbatim: tuple[str, ...]) -> pd.DataFrame:
    return _keep_words(path, section, verbatim, ",")


def _read_tsv(path: Path, section: DataSection, verbatim: tuple[str, ...]) -> pd.DataFrame:
    return _keep_words(path, section, verbatim, "\t")


def _keep_words(path: Path, section: DataSection, verbatim: tuple[str, ...], separator: str) -> pd.DataFrame:
    """Read delimited text, with pandas' words for gaps (NA, null, …) kept as words in the verbatim columns."""
    header = pd.read_csv(path, sep=separator, encoding=section.encoding, nrows=0)
    gaps = {name: [""] if name in verbatim else sorted(_GAPS) for name in header.columns}
    return pd.read_csv(
        path,
        sep=separator,
        encoding=section.encoding,
        dtype={name: str for name in verbatim if name in header.columns},
        keep_default_na=False,
        na_values=gaps,
        low_memory=False,
    )


def _read_jsonl(path: Path, section: DataSection, _verbatim: tuple[str, ...]) -> pd.DataFrame:
    text = path.read_text(encoding=section.encoding)
    if not text.strip():
        return pd.DataFrame()
    # dtype=False: words stay words, numbers stay numbers; nothing is guessed to be a date.
    return pd.read_json(io.StringIO(text), lines=True, dtype=False)


def _read_parquet(path: Path, _section: DataSection, _verbatim: tuple[str, ...]) -> pd.DataFrame:
    return pd.read_parquet(path)


def _read_folder(path: Path, section: DataSection, _verbatim: tuple[str, ...]) -> pd.DataFrame:
    """One folder a class, one text file a row; ``train`` and ``test`` folders above them become a column."""
    sides = [side for side in ("train", "test") if (path / side).is_dir()]
    parts = [(side, path / side) for side in sides] or [("", path)]
    rows: list[dict[str, str]] = []
    for side, folder in parts:
        for group in sorted(entry for entry in folder.iterdir() if entry.is_dir()):
            if group.name == UNLABELLED_FOLDER:
                continue
            for file in sorted(group.glob("*.txt")):
                row = {
                    section.text or "text": file.read_text(encoding=section.encoding),
                    section.label: group.name,
                    "path": file.relative_to(path).as_posix(),
                }
                rows.append({**row, "split": side} if side else row)
    if not rows:
        raise DataError(
            f"{path} holds no folders of .txt files, one folder a label.",
            next_step="Point data.source at the folder whose subfolders are the labels.",
            code="data.empty",
        )
    return pd.DataFrame(rows)


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")


_GAPS = {"", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>"} | {
    "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null",
}  # fmt: skip

_READERS: dict[str, Callable[[Path, DataSection, tuple[str, ...]], pd.DataFrame]] = {
    "csv": _read_csv,
    "tsv": _read_tsv,
    "jsonl": _read_jsonl,
    "parquet": _read_parquet,
    "folder": _read_folder,
}
