"""What is stored of profiles keeps its form: versions and ledgers hold it."""

from __future__ import annotations

import base64

import msgspec
import numpy as np

from tiltyard.drift.profiles import Layout, Profile, Reference
from tiltyard.drift.profiles.categories import CategoryCounts, CategoryLayout
from tiltyard.drift.profiles.multivariate import JointLayout
from tiltyard.drift.profiles.numbers import NumberCounts, NumberLayout
from tiltyard.drift.profiles.texts import TERMS, TermCounts, TextLayout

WORDS = np.zeros(8192, np.uint64)
WORDS[3] = 2**63 + 5

LAYOUT = Layout(
    {"age": NumberLayout(np.array([1.0, 2.5]), 1.5, 0.5)},
    {"city": CategoryLayout(("Oslo",), np.array([7, 2**63 + 1], np.uint64), True, False, 12, 2)},
    {"note": TextLayout(WORDS, {0.05: 1.25, 0.005: 1.0})},
    JointLayout(("a", "b", "c"), np.ones(3), np.full(3, 2.0), np.eye(3)[:, :2], np.array([0.5, 0.25])),
)

STORED_LAYOUT = {
    "numbers": {"age": {"edges": [1.0, 2.5], "centre": 1.5, "scale": 0.5}},
    "categories": {
        "city": {
            "named": ["Oslo"],
            "others": [7, 2**63 + 1],
            "complete": True,
            "whole": False,
            "rows": 12,
            "singles": 2,
        }
    },
    "texts": {
        "note": {"words": base64.b64encode(WORDS.tobytes()).decode(), "overlap": [[0.005, 1.0], [0.05, 1.25]]},
    },
    "joint": {
        "names": ["a", "b", "c"],
        "means": [1.0, 1.0, 1.0],
        "factors": [2.0, 2.0, 2.0],
        "components": [[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]],
        "weights": [0.5, 0.25],
    },
}

DIGEST = "1e12931bfce2bf4d66b70120"


def make_profile() -> Profile:
    return Profile(
        LAYOUT.digest,
        5,
        {
            "age": NumberCounts(np.array([0, 3, 1]), 1, 0, 640, 5000, 1.0, float("inf")),
            "none": NumberCounts(np.array([0, 0])),
        },
        {"city": CategoryCounts(np.array([4, 1]), 2, 1, {"a": 1, "b": 1})},
        {"note": TermCounts(np.arange(TERMS), 4, 1)},
    )


STORED_PROFILE = {
    "layout": DIGEST,
    "rows": 5,
    "numbers": {
        "age": {"bins": [0, 3, 1], "missing": 1, "invalid": 0, "total": 640, "squares": 5000, "range": [1.0, "inf"]},
        "none": {"bins": [0, 0], "missing": 0, "invalid": 0, "total": 0, "squares": 0, "range": None},
    },
    "categories": {"city": {"counts": [4, 1], "new": 2, "missing": 1, "sample": {"a": 1, "b": 1}}},
    "terms": {"note": {"counts": list(range(TERMS)), "texts": 4, "missing": 1}},
}


def test_a_reference_is_stored_as_it_always_was() -> None:
    """The JSON of a reference has the keys and values that versions carry, in their order."""
    stored = Reference(LAYOUT, make_profile()).to_bytes()
    assert stored == msgspec.json.encode({"format": 2, "layout": STORED_LAYOUT, "profile": STORED_PROFILE})
    known = Reference.from_bytes(stored)
    assert known.layout.digest == LAYOUT.digest == DIGEST
    assert known.profile == make_profile()
    assert known.to_bytes() == stored


def test_a_profile_of_an_hour_is_read_again() -> None:
    """A stored profile equals the one that was stored, and adds up as before."""
    profile = make_profile()
    again = Profile.from_bytes(profile.to_bytes())
    assert again == profile
    assert again + profile == profile + profile
    assert again.numbers["age"].bins.dtype == np.int64
