"""How a verdict is shown: rows of a table, Markdown for a pull request, and a short form that fits into a tag."""

from __future__ import annotations

import json
from collections.abc import Iterator

from tiltyard.promotion.gates.verdict import GateResult, Verdict

COLUMNS = ("Gate", "Passed", "Found")
# MLflow keeps 5,000 characters of a tag in its SQL stores.
LONGEST_TAG = 4_800


def verdict_rows(verdict: Verdict) -> Iterator[tuple[str, str, str]]:
    """One row a gate, for a table with ``COLUMNS``."""
    for gate in verdict.gates:
        yield gate.title, "yes" if gate.passed else "no", gate.message


def verdict_markdown(verdict: Verdict, title: str, status: str) -> str:
    """A section for a pull request: a heading, the outcome, and a table of the gates.

    Args:
        verdict: what the gates said.
        title: heading, such as ``films-classifier, version 4``.
        status: the outcome in a line.
    """
    mark = "✅" if verdict.promoted else "❌"
    lines = [f"### {_cell(title)}", "", f"{mark} **{_cell(status)}**", "", "| gate | passed | found |", "|---|---|---|"]
    lines += [_line(gate) for gate in verdict.gates]
    return "\n".join(lines) + "\n"


def verdict_tag(verdict: Verdict, **more: str | None) -> str:
    """The verdict as JSON short enough for an MLflow tag: messages without evidence, cut where they are too long."""
    for longest in (600, 200, 60, 0):
        gates = [
            {"code": gate.code, "passed": gate.passed, **({"message": gate.message[:longest]} if longest else {})}
            for gate in verdict.gates
        ]
        content = {"promoted": verdict.promoted, "reason": verdict.reason[:200], **more, "gates": gates}
        text = json.dumps(content, ensure_ascii=False)
        if len(text) <= LONGEST_TAG:
            return text
    return json.dumps({"promoted": verdict.promoted, "reason": verdict.reason[:200], **more}, ensure_ascii=False)


def _line(gate: GateResult) -> str:
    return f"| {_cell(gate.title)} | {'yes' if gate.passed else '**no**'} | {_cell(gate.message)} |"


def _cell(text: str) -> str:
    """Text that stays in its cell and is not read as a tag or a link, wherever it came from."""
    plain = "".join(sign if sign.isprintable() else "\ufffd" for sign in " ".join(text.split())).replace("\\", "\\\\")
    for sign in "|<>[]`*":
        plain = plain.replace(sign, f"\\{sign}")
    return plain
