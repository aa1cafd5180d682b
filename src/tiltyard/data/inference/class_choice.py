"""Which class counts as positive, and which metric suits the shares of the classes."""

from __future__ import annotations

from collections.abc import Mapping

from tiltyard.formatting import format_percent, quote_excerpt

POSITIVE_WORDS = frozenset(
    {
        "1",
        "true",
        "yes",
        "y",
        "pos",
        "positive",
        "spam",
        "fraud",
        "good",
        "bad",
        "churn",
        "churned",
        "ja",
        "oui",
        "sí",
        "si",
        "sim",
        "wahr",
        "vrai",
        "vero",
        "verdadero",
        "verdadeiro",
        "tak",
        "ano",
        "kyllä",
        "igen",
        "evet",
    }
)
NEGATIVE_WORDS = frozenset(
    {
        "0", "-1", "false", "no", "n", "not", "none", "nan", "na", "n/a", "null", "nothing", "neg", "negative",
        "normal", "ham", "healthy", "benign", "legit", "legitimate", "genuine", "absent", "never", "control",
        "nein", "non", "nee", "não", "nao", "nej", "nei", "nie", "ne", "ei", "nem", "hayır", "falsch", "faux", "falso",
    }
)  # fmt: skip
_NEGATIVE_WITH_ONE = NEGATIVE_WORDS | {"2"}  # of other numbers, 1 is as often the lowest grade
_IMBALANCED = 2.0
_RARE = 0.4


def choose_positive(counts: Mapping[str, int]) -> str | None:
    """The positive one of two classes: by its word or the other's, else a clearly rarer one, else the later.

    None for more classes. ``1`` is such a word next to 0, -1, 2 or a word: of 1 and 5 stars, it is not.
    """
    if len(counts) != 2:
        return None
    names = list(counts)
    graded = (
        "1" in names and all(name.lstrip("-").isdecimal() for name in names) and not _NEGATIVE_WITH_ONE & set(names)
    )
    known = [name for name in names if name.lower() in POSITIVE_WORDS and not graded]
    if len(known) == 1:
        return known[0]
    negative = [name for name in names if name.lower() in NEGATIVE_WORDS]
    if len(negative) == 1:
        return next(name for name in names if name not in negative)
    rarest = min(counts, key=lambda name: counts[name])
    if counts[rarest] < _RARE * sum(counts.values()):
        return rarest
    return list(counts)[-1]


def choose_metric(counts: Mapping[str, int]) -> tuple[str, str]:
    """A metric for classes with these numbers of rows, and why.

    Accuracy rewards who always predicts a frequent class; from twice as many rows as the rarest class has on,
    the mean of the classes' recalls (balanced accuracy) is proposed.
    """
    total = sum(counts.values())
    most, least = max(counts, key=lambda name: counts[name]), min(counts, key=lambda name: counts[name])
    if counts[most] < _IMBALANCED * counts[least]:
        return "accuracy", "share of right predictions: the classes are about as frequent as each other"
    return (
        "balanced_accuracy",
        f"mean of the classes' recalls: always predicting {quote_excerpt(most, 30)} has an accuracy of "
        f"{format_percent(counts[most] / total)}, and a balanced accuracy of {1 / len(counts):.2g}",
    )
