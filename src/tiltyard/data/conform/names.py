"""Names of columns as text: without outer white space, composed (NFC), each once."""

from __future__ import annotations

from collections.abc import Sequence

from tiltyard.data.conform.cells import normalise_text
from tiltyard.errors import DataError
from tiltyard.findings import Finding
from tiltyard.formatting import choose_form, join_names


def conform_names(names: Sequence[object]) -> list[str]:
    """The n names of columns as they are known from here on; a name that is a whole number is its digits.

    Raises:
        DataError: two different names become one (``data.column-twice``).
    """
    seen: dict[str, str] = {}
    conforming = []
    for given in map(str, names):
        name = normalise_text(given)
        if seen.setdefault(name, given) != given:
            raise DataError(
                f"The data has two columns '{name}', spelt {seen[name]!a} and {given!a}: "
                "outer white space and the composition of accents do not tell names apart.",
                next_step="Rename or remove one of them.",
                code="data.column-twice",
                column=name,
            )
        conforming.append(name)
    return conforming


def describe_conformed_names(names: Sequence[object], conforming: Sequence[str]) -> list[Finding]:
    """The finding for names that lost outer white space or were composed; none where there are none."""
    changed = [new for old, new in zip(names, conforming, strict=True) if str(old) != new]
    if not changed:
        return []
    return [
        Finding(
            "data.trimmed-names",
            "info",
            "columns",
            "Names with outer white space",
            f"{choose_form(len(changed), 'The name of the column', 'The names of the columns')} {join_names(changed)} "
            f"{choose_form(len(changed), 'is', 'are')} read without outer white space and with composed accents; so "
            "are the values of categories and labels.",
            score=float(len(changed)),
            evidence={"columns": changed},
            next_step="Nothing; the names in the project file are those without white space.",
        )
    ]
