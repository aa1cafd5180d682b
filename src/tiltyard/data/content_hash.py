"""Hashes of what rows say: stable across runs, machines, row order, file formats and library versions."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]

_MISSING = np.uint64(0x9E3779B97F4A7C15)


def content_keys(inputs: pd.Series | pd.DataFrame) -> Hashes:
    """A 64-bit key of each row's content, by which the content split decides.

    Texts that differ only in case, white space or Unicode composition share a key, so that near-identical
    copies of a text never straddle the split. Numbers are compared by value: ``1`` and ``1.0`` are one.

    Args:
        inputs: n texts (Series) or n rows (DataFrame; in any order of its columns).

    Returns:
        n keys.
    """
    if isinstance(inputs, pd.Series):
        return hash_texts(_normalise(text) for text in inputs)
    return _hash_table(inputs)


def row_digests(inputs: pd.Series | pd.DataFrame, labels: pd.Series) -> Hashes:
    """A 64-bit digest of each row, input and label, exact to the character; n values."""
    exact = hash_texts(inputs) if isinstance(inputs, pd.Series) else _hash_table(inputs)
    return _mix(exact * np.uint64(3) + _hash_column(labels))


def fingerprint(digests: Hashes) -> str:
    """One digest of a set of rows, independent of their order: 32 hexadecimal digits."""
    ordered = np.sort(digests).astype("<u8")
    return hashlib.sha256(ordered.tobytes()).hexdigest()[:32]


def order_digest(digests: Hashes) -> str:
    """One digest of rows in their order: 32 hexadecimal digits."""
    return hashlib.sha256(digests.astype("<u8").tobytes()).hexdigest()[:32]


def uniform_hash(keys: Hashes, salt: str = "") -> NDArray[np.float64]:
    """Map keys evenly and reproducibly to numbers in [0, 1); another salt gives another mapping."""
    offset = _hash_text(salt) if salt else np.uint64(0)
    return (_mix(keys ^ offset) >> np.uint64(11)).astype(np.float64) / float(1 << 53)


def hash_texts(texts: Iterable[str]) -> Hashes:
    """A 64-bit digest of each text, exact to the character; n values."""
    return np.fromiter((_hash_text(text) for text in texts), dtype=np.uint64)


def _normalise(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


def _hash_text(text: str) -> np.uint64:
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return np.uint64(int.from_bytes(digest, "little"))


def _hash_table(frame: pd.DataFrame) -> Hashes:
    total = np.zeros(len(frame), dtype=np.uint64)
    for name in frame.columns:
        # A sum over columns is blind to their order; mixing in the name keeps columns apart.
        total += _mix(_hash_column(frame[name]) ^ _hash_text(str(name)))
    return _mix(total)


def _hash_column(column: pd.Series) -> Hashes:
    missing = column.isna().to_numpy()
    if pd.api.types.is_numeric_dtype(column.dtype):
        values = column.to_numpy(dtype=np.float64, na_value=np.nan) + 0.0  # -0.0 becomes 0.0
        hashes = _mix(values.view(np.uint64))
    else:
        codes, distinct = pd.factorize(column.astype(object), use_na_sentinel=True)
        table = hash_texts(str(value) for value in distinct)
        hashes = table[codes] if len(table) else np.zeros(len(column), dtype=np.uint64)
    return np.where(missing, _MISSING, hashes)


def _mix(values: Hashes) -> Hashes:
    """The finaliser of SplitMix64 (Steele, Lea and Flood, 2014): spreads every bit over the word."""
    mixed = values + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(mixed ^ (mixed >> np.uint64(31)), dtype=np.uint64)
