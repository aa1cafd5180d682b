"""The trees of a booster's document as arrays, before they are held against each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from tiltyard.errors import ArtifactError

Floats = NDArray[np.float64]

# What a gap does at a node: it goes to a side, or counts as zero; at a node for zeros, zero goes with it.
GAP_LEFT, GAP_RIGHT, GAP_IS_ZERO, ZERO_LEFT, ZERO_RIGHT = range(5)
LEAF = -1


class UnreadableTreesError(Exception):
    """A sound model whose trees use what is not read here: the library itself has to predict.

    Args:
        reason: why, to be read after "because".
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class RawTrees:
    """The nodes of all trees as a document has them, in any order; numbers of nodes count through all trees.

    Attributes:
        roots: int64 (trees,).
        tested: int64 (nodes,), the feature of each; ``LEAF`` for a leaf.
        thresholds: float64 (nodes,), rows go left where the feature is not above it.
        left, right: int64 (nodes,); not read of a leaf.
        gaps: uint8 (nodes,), what a gap does: ``GAP_LEFT``, ``GAP_RIGHT``, …
        choice: int64 (nodes,), the number of the set of categories by which a node splits; -1 for a threshold.
        sets: the sets, categories as whole numbers.
        values: float64 (nodes, width), of leaves; one column where a tree speaks for one output.
        weights: float64 (nodes,), of leaves: how many training rows came to it, or their weight.
    """

    roots: NDArray[np.int64]
    tested: NDArray[np.int64]
    thresholds: Floats
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    gaps: NDArray[np.uint8]
    choice: NDArray[np.int64]
    sets: tuple[NDArray[np.int64], ...]
    values: Floats
    weights: Floats


def refuse(where: str, problem: str, **fields: object) -> NoReturn:
    """Refuse a document whose numbers do not fit together.

    Args:
        where: the library, and where in its document.
        problem: what is wrong there, with the value.
        fields: for JSON output.

    Raises:
        ArtifactError: always.
    """
    raise ArtifactError(
        f"The stored {where} {problem}.",
        next_step="Do not use this version; find out who made it.",
        code="artifact.unsound-tree",
        **fields,
    )


def join_trees(library: str, parts: list[RawTrees]) -> RawTrees:
    """Trees of which each counts its own nodes and sets, as one list.

    Raises:
        ArtifactError: a node of a tree has a child in another.
    """
    where = f"{library} model"
    for part in parts:
        inner = part.tested != LEAF
        for children in (part.left[inner], part.right[inner]):
            check_numbers(where, "has a node whose child is node", children, len(part.tested))
    nodes = np.cumsum([0, *(len(part.tested) for part in parts)])
    sets = np.cumsum([0, *(len(part.sets) for part in parts)])
    numbered = list(zip(parts, nodes.tolist(), sets.tolist(), strict=False))
    return RawTrees(
        roots=nodes[:-1],
        tested=np.concatenate([part.tested for part in parts]),
        thresholds=np.concatenate([part.thresholds for part in parts]),
        left=np.concatenate([part.left + first for part, first, _ in numbered]),
        right=np.concatenate([part.right + first for part, first, _ in numbered]),
        gaps=np.concatenate([part.gaps for part in parts]),
        choice=np.concatenate([np.where(part.choice >= 0, part.choice + first, -1) for part, _, first in numbered]),
        sets=tuple(chosen for part in parts for chosen in part.sets),
        values=np.concatenate([part.values for part in parts]),
        weights=np.concatenate([part.weights for part in parts]),
    )


def check_numbers(where: str, what: str, numbers: NDArray[np.int64], count: int) -> None:
    """Refuse numbers of things of which there are so many.

    Raises:
        ArtifactError: a number is below zero, or not below the count.
    """
    wrong = numbers[(numbers < 0) | (numbers >= count)]
    if wrong.size:
        refuse(where, f"{what} {int(wrong[0])}, and there are {count}", value=int(wrong[0]), count=count)
