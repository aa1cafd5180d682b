"""What is found in texts."""

from __future__ import annotations

import unicodedata
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tiltyard.findings import Finding
from tiltyard.validation import DataValidator, ValidationReport, ValidationSection
from tiltyard.validation.text.char_stats import count_characters
from tiltyard.validation.text.near_duplicates import near_copies, plain_form
from tiltyard.validation.text.text_quality import garbage_texts, misread_texts

SUBJECTS = ["film", "book", "play", "song", "meal", "room", "trip", "game"]
GOOD = [
    f"The {SUBJECTS[place % 8]} that I saw on day {place} of the journey was "
    f"{'a pleasure' if place * 7919 % 13 < 6 else 'a bore'} from the first to the last."
    for place in range(300)
]


def validate(texts: list[Any], limits: ValidationSection | None = None, **columns: Any) -> ValidationReport:
    labels = ["pos" if place * 104729 % 7 < 3 else "neg" for place in range(len(texts))]
    frame = pd.DataFrame({"text": pd.Series(texts, dtype=object), "label": labels, **columns})
    return DataValidator(limits=limits).validate_dataset(frame, text="text")


def found(report: ValidationReport, code: str) -> Finding:
    matching = [finding for finding in report.findings if finding.code == code]
    assert len(matching) == 1, [(finding.code, finding.subject) for finding in report.findings]
    return matching[0]


def test_good_texts_have_no_findings() -> None:
    """Ordinary sentences pass without a word."""
    report = validate(GOOD)
    assert report.findings == ()
    assert set(report["text"]) == {"text"}


@pytest.mark.parametrize(
    ("code", "flawed"),
    [
        ("text.empty", ""),
        ("text.empty", " \t\n "),
        ("text.empty", None),
        ("text.garbage", "!!! ??? ... 10/10"),
        ("text.garbage", "kjhgf dsqwr tzpsd fghjk lmnbv cxqwr"),
        ("text.garbage", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
        ("text.garbage", "U2FsdGVkX19vZXIgdGhlIGxhenkgZG9nIGFuZCBydW5zIGF3YXkgaW50byB0aGUgd29vZHM"),
        ("text.garbage", "0.1 0.2 0.3 a 0.4 0.5 0.6 0.7 0.8 0.9"),
        ("text.markup", "A <b>very</b> good one<br />that I would see again."),
        ("text.entities", "Laurel &amp; Hardy at their very best, I should say."),
        ("text.encoding", "The cafÃ© scene was quite lovely, I must say."),
        ("text.encoding", "It wasnâ€™t as good as all the others had said."),
        ("text.encoding", "The caf\ufffd scene was quite lovely, I must say."),
        ("text.encoding", "Quite good\x85 or so I thought when I had seen it."),
        ("text.encoding", "Half of a pair \ud83d and nothing more to be seen."),
        ("text.control-characters", "A nul\x00 byte in the middle of an ordinary sentence."),
        ("text.control-characters", "An escape \x1b[31m sequence in an ordinary sentence."),
        ("text.short", "Boring"),
        ("text.urls", "See more of the same at https://example.org/reviews today."),
        ("text.long", "A word and another one. " * 420_000),
    ],
)
def test_a_flawed_text_is_found(code: str, flawed: str | None) -> None:
    """Each flaw has its finding, which names the row, and no other row is accused."""
    report = validate([*GOOD[:7], flawed, *GOOD[7:]])
    finding = found(report, code)
    assert finding.subject == "text"
    assert finding.evidence["rows"] == [8]
    assert "row 8" in finding.message


@pytest.mark.parametrize(
    "text",
    [
        "这是一部很好的电影，我非常喜欢它的故事和演员。",
        "Это очень хороший фильм, и я советую всем его посмотреть.",
        "هذا فيلم رائع جدا وأنصح الجميع بمشاهدته",
        "👍👍👍",
        "Čtvrtek strávil prstem v krku, vlk zmrzl a Brno ztichlo.",
        "Ein Donaudampfschifffahrtsgesellschaftskapitän!",
        "Nooooooooooo, not again, please, not that one again!",
        "«CAFÉ» et «JAMÁÍS» écrits en majuscules, très bien.",
        "Ação, coração e NÃO: a programação é ótima, são três.",
        "a < b and c > d, or so they say in the first lesson",
        "AT&T; is not an entity, and neither is R&D at work.",
        "=" * 12 + " a title between two rules " + "=" * 12,
        "I give it 9.5/10, 4 stars of 5, 100% recommended!!!",
        "Tab\tand line\nbreaks\r\nare ordinary white space here.",
    ],
)
def test_language_of_any_kind_is_no_flaw(text: str) -> None:
    """Other scripts, accents, emoji, long words, rules of dashes and ratings do not count as damage."""
    report = validate([*GOOD, text])
    assert not [finding for finding in report.findings if finding.severity != "info"]
    assert not {finding.code for finding in report.findings} & {"text.garbage", "text.encoding", "text.markup"}


def test_garbage_and_empty_texts_share_a_limit() -> None:
    """One limit holds for the texts nothing can be learnt from."""
    texts = [*GOOD[:190], *["???"] * 4, *[""] * 6]
    report = validate(texts, ValidationSection(max_garbage=0.049))
    assert found(report, "text.garbage").severity == "error"
    assert found(report, "text.empty").severity == "error"
    assert not report.passes()
    assert report.passes(ValidationSection(max_garbage=0.051))


def test_values_that_are_no_text_are_an_error() -> None:
    """A number in the column of texts is named."""
    finding = found(validate([*GOOD, 12]), "text.not-text")
    assert (finding.severity, finding.evidence["rows"]) == ("error", [301])


def test_repeated_and_nearly_equal_texts_are_counted() -> None:
    """A copy is a duplicate; a copy in another case and with markup is a near duplicate."""
    near = "<i>" + GOOD[5].upper().replace(" ", "  ") + "</i>!!"
    report = validate([*GOOD, GOOD[3], near])
    assert report["text"]["text"]["duplicates"]["rows"] == [301]
    assert found(report, "text.near-duplicates").evidence["rows"] == [302]


def test_a_contradictory_text_is_a_finding() -> None:
    """A text with two labels is a contradiction."""
    report = validate([*GOOD, *GOOD[:6]])
    frame_labels = report["class_balance"]["counts"]
    assert sum(frame_labels.values()) == 306
    assert found(report, "label.contradictory").evidence["groups"] >= 1


def test_texts_that_carry_their_label_are_a_leak() -> None:
    """A label that stands at the end of every text is found, whatever the texts say."""
    labels = ["pos" if place * 104729 % 7 < 3 else "neg" for place in range(300)]
    report = validate([f"{text} Rating: {label}" for text, label in zip(GOOD, labels, strict=True)])
    finding = found(report, "leakage.text")
    assert finding.subject == "text (last word)"
    assert finding.severity == "error"


def test_other_columns_of_a_text_project_are_not_inputs() -> None:
    """A rating next to the text, which the model never sees, is not a leak."""
    labels = ["pos" if place * 104729 % 7 < 3 else "neg" for place in range(300)]
    assert validate(GOOD, rating=[9 if label == "pos" else 2 for label in labels]).findings == ()


def test_long_columns_of_words_are_checked_as_texts() -> None:
    """A column of sentences is checked although no setting names it, a column of categories is not."""
    frame = pd.DataFrame({"review": [*GOOD[:-1], ""], "colour": ["red", "blue"] * 150, "label": ["a", "b", "b"] * 100})
    report = DataValidator().validate_dataset(frame)
    assert set(report["text"]) == {"review"}
    assert found(report, "text.empty").subject == "review"


def _reference(text: str) -> tuple[int, int, int, int]:
    """Words, letters, spaces and controls of a text, counted one character after the other."""
    separators = "\x1c\x1d\x1e\x1f\x85"
    spaces = [character.isspace() and character not in separators for character in text]
    words = sum(not space and (place == 0 or spaces[place - 1]) for place, space in enumerate(spaces))
    letters = sum(
        ord(character) >= 0xFFFF or unicodedata.category(character)[0] in "LM" or "\u2600" <= character <= "\u27bf"
        for character in text
    )
    controls = sum(unicodedata.category(c) == "Cc" and c < "\x80" and c not in "\t\n\v\f\r" for c in text)
    return words, letters, sum(spaces), controls


@given(st.lists(st.text(st.characters(), max_size=30), max_size=12))
@settings(max_examples=80)
def test_characters_are_counted_as_one_by_one(texts: list[str]) -> None:
    """Counting over many texts at once gives what counting one character after the other gives, in all of Unicode."""
    counts = count_characters(texts)
    for place, text in enumerate(texts):
        assert counts.length[place] == len(text)
        counted = (counts.words[place], counts.letters[place], counts.spaces[place], counts.controls[place])
        assert counted == _reference(text)


@given(st.text("ab c", min_size=1, max_size=12), st.integers(1, 60), st.text("ab c", max_size=12))
def test_the_longest_run_is_found(before: str, length: int, after: str) -> None:
    """A run of more than eight characters is measured exactly and never across texts; a shorter one counts 0."""
    counts = count_characters(["z" * 5, before + "z" * length + after, "z" * 5])
    assert counts.run.tolist() == [0, length if length > 8 else 0, 0]


def test_counting_does_not_depend_on_the_neighbours() -> None:
    """A text has the same counts alone and among texts of millions of characters."""
    texts = ["short one", "x" * 3_000_000, "", "word " * 700_000, "é" * 12, "last"]
    together = count_characters(texts)
    for place, text in enumerate(texts):
        alone = count_characters([text])
        for name in ("words", "letters", "vowels", "run", "spaces"):
            assert getattr(together, name)[place] == getattr(alone, name)[0]


@given(st.text(st.characters(min_codepoint=0xA0, max_codepoint=0x24F), min_size=2, max_size=20))
def test_only_double_decoding_is_called_misread(text: str) -> None:
    """Text of accented letters read as Latin-1 is found out where a sequence of Ã or Â shows it."""
    damaged = text.encode("utf-8").decode("latin-1")
    lead = [character for character in text if character < "\u0100" and character not in "\xab\xbb\xeb\xfb"]
    if lead:
        assert misread_texts([damaged])[0]
    assert not misread_texts([text.replace("\u00c2", "").replace("\u00c3", "").replace("\u00e2", "").replace("ð", "")])[
        0
    ]


def test_reasons_for_garbage_are_named() -> None:
    """Each reason has its own name."""
    texts = ["12345", "aaaaaaaaaaaaaaaaaaaaaa", "kjhgf dsqwr tzpsd fghjk lmnbv", "ordinary words here"]
    reasons = garbage_texts(count_characters(texts))
    assert [name for name, mask in reasons.items() if mask[0]] == ["no letters"]
    assert "one character" in [name for name, mask in reasons.items() if mask[1]]
    assert [name for name, mask in reasons.items() if mask[2]] == ["no vowels"]
    assert not any(mask[3] for mask in reasons.values())


def test_near_copies_share_most_of_their_words() -> None:
    """A long text with a few words changed is a near copy; another text with the same opening is not."""
    opening = "This review begins like many others do, with a sentence or two that everybody has read before. "
    body = " ".join(f"word{place}" for place in range(60))
    other = " ".join(f"other{place}" for place in range(60))
    texts = [opening + body, opening + other, opening + body.replace("word7 ", "changed ")]
    pairs = near_copies(texts)
    assert [(place, first) for place, first, _ in pairs] == [(2, 0)]
    assert pairs[0][2] == pytest.approx(74 / 76, abs=0.02)


@given(st.text(max_size=60))
def test_the_plain_form_is_blind_to_case_space_and_marks(text: str) -> None:
    """Case, white space and punctuation of ASCII do not change what a text's plain form is."""
    text = text.replace("<", "")
    spread = " ".join(text.split())
    assert plain_form(f"  {spread} !! ") == plain_form(spread.casefold())


def test_a_report_has_the_lengths_of_texts() -> None:
    """The report has mean, median and extremes of characters and words."""
    lengths = validate(GOOD)["text"]["text"]["length"]
    assert lengths["characters"]["max"] == max(map(len, GOOD))
    assert lengths["words"]["mean"] == pytest.approx(np.mean([len(text.split()) for text in GOOD]))
