"""How results show themselves: a short text in a terminal, a table in a notebook, and dictionaries to programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import Any, TypeVar, cast

from tiltyard.formatting import format_count, format_number, join_names, shorten_name

WIDTH = 110
# Long words break, so that a notebook as narrow as a telephone shows whole cells.
_CELL_STYLE = "text-align:left;vertical-align:top;overflow-wrap:anywhere"
_WIDEST = 280
_CELL = 60
_MOST_ENTRIES = 8
_MOST_FINDINGS = 6
_MOST_INLINE = 6

Result = TypeVar("Result")
Line = tuple[str, str]


class ShownResult:
    """A result that prints as a few lines, and that a notebook shows as a table."""

    def describe(self) -> tuple[str, Mapping[str, Any]]:
        """A title, and what is shown below it by name; ``findings`` are shown last, those to act on."""
        raise NotImplementedError

    def __repr__(self) -> str:
        title, facts = self.describe()
        lines = list(_list_lines(facts))
        width = max((len(name) for name, _ in lines), default=0)
        found = [f"  {severity:<8} {subject}: {message}" for severity, subject, message, _ in _list_findings(facts)]
        shown = [title, *(f"  {name:<{width}}  {value}".rstrip() for name, value in lines), *found]
        return "\n".join(shorten_name(line, _WIDEST) for line in shown)

    def _repr_html_(self) -> str:
        title, facts = self.describe()
        rows = "".join(
            f'<tr><th style="text-align:left;vertical-align:top">{escape(name)}</th>'
            f'<td style="{_CELL_STYLE}">{escape(value)}</td></tr>'
            for name, value in _list_lines(facts)
        )
        found = "".join(
            "<tr>" + "".join(f'<td style="{_CELL_STYLE}">{escape(cell)}</td>' for cell in finding) + "</tr>"
            for finding in _list_findings(facts)
        )
        heads = "".join(f"<th>{name}</th>" for name in ("severity", "subject", "finding", "next step"))
        findings = f"<table><thead><tr>{heads}</tr></thead><tbody>{found}</tbody></table>" if found else ""
        return f"<table><caption>{escape(title)}</caption><tbody>{rows}</tbody></table>{findings}"


class ResultDict(ShownResult, dict[str, Any]):
    """A result by key. Its title is the name of what it holds."""

    def __init__(self, title: str, content: Mapping[str, Any]) -> None:
        super().__init__(content)
        self.title = title

    def __reduce__(self) -> tuple[type[ResultDict], tuple[str, dict[str, Any]]]:
        return ResultDict, (self.title, dict(self))

    def describe(self) -> tuple[str, Mapping[str, Any]]:
        """The title and all keys."""
        return self.title, self


class ResultList(list[Result]):
    """A list of results that prints a line for each, and that a notebook shows as one table.

    Args:
        title: what it is a list of.
        items: results of one kind, which describe themselves by the same names.
    """

    def __init__(self, title: str, items: Iterable[Result]) -> None:
        super().__init__(items)
        self.title = title

    def __reduce__(self) -> tuple[type[ResultList[Result]], tuple[str, list[Result]]]:
        return ResultList, (self.title, list(self))

    def __repr__(self) -> str:
        names, rows = self._list_rows()
        widths = [max(map(len, column)) for column in zip(names, *rows, strict=True)]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in (names, *rows)
        ]
        title = f"{self.title}: {len(self)}"
        return "\n".join([title, *(f"  {shorten_name(line.rstrip(), _WIDEST)}" for line in lines if self)])

    def _repr_html_(self) -> str:
        names, rows = self._list_rows()
        head = "".join(f'<th style="text-align:left">{escape(name)}</th>' for name in names)
        body = "".join(
            "<tr>" + "".join(f'<td style="{_CELL_STYLE}">{escape(cell)}</td>' for cell in row) + "</tr>" for row in rows
        )
        title = escape(f"{self.title}: {len(self)}")
        return f"<table><caption>{title}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    def _list_rows(self) -> tuple[list[str], list[list[str]]]:
        facts = [item.describe()[1] for item in self if isinstance(item, ShownResult)]
        names = list(dict.fromkeys(name for one in facts for name in one))
        return names, [[shorten_name(shorten_value(one.get(name)), _CELL) for name in names] for one in facts]


def show_as(title: str, content: Result) -> Result:
    """The same dictionary, one that shows itself shortly; its type for programs stays."""
    return cast(Result, ResultDict(title, cast(Mapping[str, Any], content)))


def shorten_value(value: Any) -> str:
    """Any value of a result on one line: collections by their first entries, or by how many they have."""
    if isinstance(value, float):
        return format_number(value)
    if isinstance(value, Mapping):
        return _shorten_mapping(value)
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return _shorten_list(value)
    if isinstance(value, str) and len(lines := value.strip().splitlines()) > 1:
        return format_count(len(lines), "line of text", "lines of text")
    return "–" if value is None else shorten_name(value, WIDTH if not isinstance(value, str) else _WIDEST)


def _list_lines(facts: Mapping[str, Any]) -> Iterator[Line]:
    for name, value in facts.items():
        if _are_findings(value):
            counted = Counter(
                "not evaluated" if one["status"] == "could_not_judge" else one["severity"] for one in value
            )
            yield name, ", ".join(_count_findings(count, severity) for severity, count in counted.items())
        elif isinstance(value, Mapping) and value and all(isinstance(one, Mapping) for one in value.values()):
            yield name, format_count(len(value), "entry", "entries")
            yield from ((f"  {key}", shorten_value(one)) for key, one in list(value.items())[:_MOST_ENTRIES])
            if len(value) > _MOST_ENTRIES:
                yield "  …", f"and {len(value) - _MOST_ENTRIES} more"
        elif _are_titled(value):
            yield name, format_count(len(value), "entry", "entries")
            yield from ((f"  {one['title']}", shorten_value(one["message"])) for one in value[:_MOST_ENTRIES])
        elif value != "":
            yield name, shorten_value(value)


def _list_findings(facts: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    """Severity, subject, message and next step of the gravest findings."""
    found = facts.get("findings")
    if not _are_findings(found):
        return []
    chosen = [one for one in cast(list[Mapping[str, Any]], found) if one["status"] != "clear"][:_MOST_FINDINGS]
    return [
        (
            "–" if one["status"] == "could_not_judge" else one["severity"],
            one["subject"],
            one["message"],
            one["next_step"],
        )
        for one in chosen
    ]


def _count_findings(count: int, severity: str) -> str:
    return format_count(count, severity) if severity in ("error", "warning") else f"{count} {severity}"


def _are_titled(value: Any) -> bool:
    """Whether it is a list of things with a title and a message, such as the gates of a verdict."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(one, Mapping) and {"title", "message"} <= one.keys() for one in value)
    )


def _are_findings(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(one, Mapping) and {"severity", "status", "message"} <= one.keys() for one in value)
    )


def _shorten_mapping(value: Mapping[Any, Any]) -> str:
    plain = {key: one for key, one in value.items() if not isinstance(one, Mapping | list | tuple)}
    if not plain:
        return f"{len(value)}: {join_names([str(key) for key in value])}" if value else "–"
    entries = [f"{key}: {shorten_value(one)}" for key, one in list(plain.items())[:_MOST_INLINE]]
    shown = entries.pop(0)
    # Whole entries only: of "precision: 0.8173" nothing is left that could be read as the figure.
    while entries and len(f"{shown}, {entries[0]}, …") <= WIDTH:
        shown += f", {entries.pop(0)}"
    return shorten_name(shown, WIDTH - 3) + (", …" if entries or len(value) > min(len(plain), _MOST_INLINE) else "")


def _shorten_list(value: Sequence[Any]) -> str:
    if any(isinstance(one, Mapping | list | tuple) for one in value):
        return format_count(len(value), "entry", "entries")
    shown = ", ".join(shorten_value(one) for one in value[:_MOST_INLINE])
    return (shown + (f", … ({len(value)} in all)" if len(value) > _MOST_INLINE else "")) or "–"
