"""Which columns look like the key of rows that belong together, such as the visits of one patient."""

from __future__ import annotations

from collections.abc import Sequence

from tiltyard.data.inference.column_facts import ColumnFacts
from tiltyard.findings import Finding

_KEY_PARTS = frozenset({"id", "ids", "key", "uuid", "guid"})
_THINGS = frozenset(
    {
        "account", "author", "cardholder", "client", "company", "customer", "device", "driver", "employee", "film",
        "household", "item", "machine", "member", "movie", "participant", "patient", "person", "player", "product",
        "sensor", "session", "speaker", "student", "subject", "supplier", "thread", "user", "vehicle", "vendor",
    }
)  # fmt: skip
_PERSONS = frozenset(
    {
        "account", "cardholder", "client", "customer", "employee", "household", "member", "participant", "patient",
        "person", "player", "session", "student", "subject", "user",
    }
)  # fmt: skip
_LEAST_GROUPS = 20
_LEAST_SHARING = 1.25  # rows a value; fewer are nearly all different


def find_group_keys(columns: Sequence[ColumnFacts]) -> tuple[str, ...]:
    """The columns whose names say that they are keys, and whose values repeat: from 20 values, over 1.25 rows each."""
    return tuple(facts.name for facts in columns if is_shared_key(facts))


def is_shared_key(facts: ColumnFacts) -> bool:
    """Whether a column has the name of a key, and values that repeat."""
    named = facts.name_parts[-1:]
    if not named or facts.column.nested or not (named[0] in _KEY_PARTS or named[0] in _THINGS):
        return False
    repeated = facts.different >= _LEAST_GROUPS and facts.present > _LEAST_SHARING * facts.different
    return repeated and facts.kind != "time"


def explain_shared_key(facts: ColumnFacts) -> str:
    """Why a table does not learn from the key of rows that belong together; empty if it may.

    A model would learn its known customers by heart, and does not know the next one. Words that name things rather
    than persons, such as products and devices, say something about them.
    """
    last = facts.name_parts[-1:]
    if not is_shared_key(facts) or not (last[0] in _KEY_PARTS | _PERSONS or facts.kind == "number"):
        return ""
    return "it is a key that several rows share"


def describe_group_key(name: str) -> Finding:
    """The finding for a column that may say which rows belong together."""
    return Finding(
        "data.group-key",
        "info",
        name,
        "Rows that may belong together",
        f"Rows share values of '{name}'. If those belong together, a test on some of them overrates what was learnt "
        f"from the others: --group {name} keeps each group on one side.",
        evidence={"column": name},
        next_step=f'Set split.group = "{name}" in the project file (tiltyard init --group {name}), if they do.',
    )
