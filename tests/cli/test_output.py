"""What others wrote is text in the terminal, whatever is in it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from rich.text import Text

from tiltyard.cli.main import main
from tiltyard.cli.output import Terminal, console, print_line, print_pairs, print_table

CRAFTED = "[/nope] [bold]x[/bold] :smile: \x1b[31mred\x1b[0m \u202egnp\\"
SHOWN = "[/nope] [bold]x[/bold] :smile: \\x1b[31mred\\x1b[0m \\u202egnp\\"


def test_values_cannot_style_or_control_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Brackets, colons and a last backslash stay as they are, control and format characters become escapes."""
    print_line("[bold]{}[/bold] of {:,}", CRAFTED, 1234)
    print_pairs([(CRAFTED, CRAFTED)])
    print_table("[/title]", ("[/head]", "B"), [("x", CRAFTED), ("y", Text("fine", "green"))])
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == [f"{SHOWN} of 1,234", f"{SHOWN}  {SHOWN}", "[/title]"]
    assert lines[3].split() == ["[/head]", "B"]
    assert " ".join(line.split(maxsplit=1)[-1].strip() for line in lines[4:-1]) == SHOWN
    assert lines[-1].split() == ["y", "fine"]


def test_an_error_message_cannot_control_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Control characters in typed or stored text are printed as escapes."""
    with pytest.raises(SystemExit) as ended:
        main(["\x1b[2Jtrain"])
    assert ended.value.code == 2
    assert "There is no command '\\x1b[2Jtrain'." in capsys.readouterr().err


@pytest.mark.requirement("R-REG-14")
def test_a_table_of_versions_in_a_file_breaks_no_word(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the output is not a terminal, a row of ``list-versions`` is one line."""
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setattr(console, "width", Terminal().width)
    columns = ("Version", "Label", "Aliases", "Stage", "accuracy", "Candidate", "Registered", "Run ID")
    at = datetime(2026, 1, 31, 12, tzinfo=UTC)
    row = ("10", "10.0.1", "challenger", "Production", 0.8816, "tfidf-logreg", at, "0578918a")
    print_table("", columns, [row])
    words = "10 10.0.1 challenger Production 0.8816 tfidf-logreg 2026-01-31 12:00:00 UTC 0578918a"
    assert words in [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]


def test_short_words_are_not_broken_where_the_table_has_room(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Words stay whole next to long texts; a row of a table that is too crowded for that is a block of lines."""
    monkeypatch.setattr(console, "width", 80)
    at = datetime(2026, 1, 31, 12, tzinfo=UTC)
    print_table("", ("Topic", "Why"), [("approval-requested", "a reason " * 20)])
    assert "approval-requested" in capsys.readouterr().out
    print_table("", ("At", *"abcdef"), [(at, *["some-word"] * 6)])
    printed = capsys.readouterr().out
    assert "2026-01-31    some-word  some-word" in printed
    print_table("", ("At", *"abcdefgh"), [(at, *["some-word"] * 8)])
    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines())) <= 80
    assert printed.splitlines()[:2] == ["At  2026-01-31 12:00:00 UTC", "a   some-word"]
    print_table("", ("Column", "What", "Message"), [("Social_event_attendance", "number", "a long message " * 9)])
    assert "Social_event_attendance" in capsys.readouterr().out
