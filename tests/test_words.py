"""The words that people read keep the rules of docs/vale."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PLAIN = "The server loads the champion and records every prediction.\n"

BAD = {
    "Plain": [
        "We told the server.",
        "The user was asked twice.",
        "Doctor mends it.",
        "Whoever calls pays.",
        "The console runs beside the server.",
        "It has a thread of its own.",
        "The server goes on.",
        "The key lets callers in.",
        "This is no version.",
        "A tag is taken for a style.",
        "Notices leave the house.",
        "Use the trade's words.",
        "The alias moved behind our back.",
        "List what is to leave.",
        "The cache knows nothing of it.",
        "That is all.",
        "Nobody can say.",
    ],
    "Terms": [
        "The server answers.",
        "Two versions are judged.",
        "Each look finds something.",
        "It looks at the window.",
        "One alert for each matter.",
        "A notice is stored.",
        "The keeper restarts it.",
        "A response that was cut short.",
        "The key is checked at the door.",
    ],
    "Metaphors": [
        "The reign of version 2 ended.",
        "The contest was decided.",
        "The household has a herald.",
        "A tournament of knights who joust.",
        "The courier came to the court.",
        "The crown and the throne.",
        "A question of succession.",
        "Servants and guests keep a vigil.",
        "The snapshot lies on a shelf.",
    ],
}
GOOD = [
    PLAIN,
    "There is no longer a limit, and there is no champion.\n",
    "The exit code of `tiltyard answer` is 0.\n",
    "```python\nanswers = judge(matter)\n```\n",
    "See [the page](answers-beside.md).\n",
    "Reviews of household goods.\n",
]


def check(*files: Path) -> subprocess.CompletedProcess[str]:
    """Run the check as ``make words`` does."""
    words = [sys.executable, "docs/check_words.py", *map(str, files)]
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)


def test_pages_and_messages_keep_the_rules() -> None:
    """No rule is broken anywhere."""
    done = check()
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("style", BAD)
def test_each_bad_sentence_is_found_where_it_stands(style: str, tmp_path: Path) -> None:
    """Every bad sentence of a page is reported with its line and its rule."""
    page = tmp_path / "page.md"
    page.write_text(PLAIN + "\n" + "\n\n".join(BAD[style]) + "\n")
    done = check(page)
    assert done.returncode == 1
    for line, sentence in zip(range(3, 3 + 2 * len(BAD[style]), 2), BAD[style], strict=True):
        assert re.search(rf"page\.md:{line}: .*\[Tiltyard\.{style}\]", done.stdout), sentence


def test_every_rule_catches_a_bad_sentence() -> None:
    """A rule that catches nothing is not a check."""
    rules = runpy.run_path(str(ROOT / "docs" / "check_words.py"))["load_rules"]()
    sentences = [sentence for sentences in BAD.values() for sentence in sentences]
    idle = [rule.pattern.pattern for rule in rules if not any(map(rule.pattern.search, sentences))]
    assert rules
    assert not idle


def test_good_sentences_and_code_pass(tmp_path: Path) -> None:
    """Plain sentences, code, and the targets of links break no rule."""
    page = tmp_path / "page.md"
    page.write_text("\n".join(GOOD))
    assert check(page).returncode == 0


def test_strings_and_comments_of_a_module_are_read_and_keys_are_not(tmp_path: Path) -> None:
    """A help text, a message with values, a docstring and a comment are prose; a single word is a key."""
    module = tmp_path / "command.py"
    module.write_text(
        '"""A command that answers."""\n'
        "from __future__ import annotations\n"
        'KEY = {"answer": 1, "matter": 2}\n'
        'HELP = "Show what was asked."\n'
        'message = f"{KEY} is judged by {HELP}"\n'
        "answers = beside = KEY\n"
        "# A comment of two lines, which says what was\n"
        "# asked of it.\n"
        'RESULT = "go on"\n'
    )
    done = check(module)
    assert done.returncode == 1
    assert sorted(int(found) for found in re.findall(r"command\.py:(\d+):", done.stdout)) == [1, 4, 5, 8]


def test_strings_of_tests_are_data(tmp_path: Path) -> None:
    """Of a test, docstrings and comments are read, and its strings are not."""
    module = tmp_path / "module.py"
    module.write_text('"""A test that answers."""\nTEXT = "What was asked."\n# It is judged.\n')
    words = runpy.run_path(str(ROOT / "docs" / "check_words.py"))
    problems = words["check_file"](module, words["load_rules"](), strings=False)
    assert [int(found) for line in problems for found in re.findall(r"module\.py:(\d+):", line)] == [1, 3]


def test_the_pages_in_templates_are_read(tmp_path: Path) -> None:
    """The text of a template is prose; its expressions are not."""
    template = tmp_path / "report.html.j2"
    template.write_text("<p>{{ answer }}</p>\n\n<p>The {{ answer }} is judged.</p>\n")
    done = check(template)
    assert [int(found) for found in re.findall(r"j2:(\d+):", done.stdout)] == [3]
