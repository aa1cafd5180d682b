"""Content keys and fingerprints."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from tiltyard.data.content_hash import content_keys, fingerprint, row_digests, uniform_hash

TEXTS = st.lists(st.text(max_size=40), min_size=1, max_size=30)


@given(TEXTS)
def test_a_key_follows_from_the_text_alone(texts: list[str]) -> None:
    """A text has the same key alone and among others."""
    together = content_keys(pd.Series(texts, dtype=object))
    alone = [content_keys(pd.Series([text], dtype=object))[0] for text in texts]
    assert together.tolist() == alone


def test_copies_that_differ_in_case_and_space_share_a_key() -> None:
    """Case, white space and Unicode composition do not make another text."""
    keys = content_keys(pd.Series(["A fine  film\n", "a Fine film", "caf\u00e9", "cafe\u0301"]))
    assert keys[0] == keys[1]
    assert keys[2] == keys[3]
    assert keys[0] != keys[2]


def test_keys_are_the_same_on_every_machine() -> None:
    """Keys are part of the stored versions: they must never change."""
    assert content_keys(pd.Series(["A fine film"])).tolist() == [18019493876106606402]
    assert content_keys(pd.DataFrame({"age": [41], "city": ["Oslo"]})).tolist() == [3634814296175871113]


def test_a_table_row_is_identified_by_its_values_not_by_column_order_or_integer_type() -> None:
    """Column order and the float form of an integer change nothing; a missing value is another value."""
    table = pd.DataFrame({"a": [1, 2, 3], "b": ["x", "y", None]})
    same = pd.DataFrame({"b": ["x", "y", np.nan], "a": [1.0, 2.0, 3.0]})
    assert content_keys(table).tolist() == content_keys(same).tolist()
    swapped = pd.DataFrame({"a": ["x"], "b": [1]})
    assert content_keys(swapped)[0] != content_keys(table)[0]


@given(TEXTS, st.randoms(use_true_random=False))
def test_a_fingerprint_ignores_the_order_of_rows(texts: list[str], random: object) -> None:
    """The same rows in another order have the same fingerprint."""
    labels = pd.Series([str(position % 2) for position in range(len(texts))])
    digests = row_digests(pd.Series(texts, dtype=object), labels)
    assert fingerprint(digests) == fingerprint(digests[::-1])


def test_a_fingerprint_sees_one_changed_character_and_one_changed_label() -> None:
    """Any change of content is another fingerprint."""
    texts = pd.Series(["good film", "bad film"])
    labels = pd.Series(["p", "n"])
    base = fingerprint(row_digests(texts, labels))
    assert fingerprint(row_digests(pd.Series(["good film", "Bad film"]), labels)) != base
    assert fingerprint(row_digests(texts, pd.Series(["p", "p"]))) != base
    assert fingerprint(row_digests(texts[:1], labels[:1])) != base


def test_shares_are_even_and_another_salt_gives_others() -> None:
    """About a fifth of many keys falls below 0.2, whatever the salt, and not the same fifth."""
    keys = content_keys(pd.Series([f"text number {n}" for n in range(20_000)]))
    plain, salted = uniform_hash(keys) < 0.2, uniform_hash(keys, "x") < 0.2
    assert abs(plain.mean() - 0.2) < 0.015
    assert abs(salted.mean() - 0.2) < 0.015
    assert abs((plain & salted).mean() - 0.04) < 0.01
