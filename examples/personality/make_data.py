"""Make data/personality.csv: a synthetic survey of behaviour, from a probabilistic model and a seed.

The model has the columns of a public survey table (2,900 rows; "extrovert or introvert", on Kaggle) and its statistics:
ranges, frequencies, gaps, duplicates, and how well the values predict the label. No row is copied from it. The model:

1. A person is *outgoing* or *withdrawn*, about as often one as the other. This is not in the data.
2. The five counts are drawn independently of each other, given that; the ranges of the two hardly overlap (``COUNTS``).
3. Stage fear and being drained by company go with it exactly: ``Yes`` for the withdrawn, ``No`` for the outgoing.
4. The label is the word that people choose for themselves. Some choose the other one than their behaviour suggests:
   the outgoing more often the more friends they count, the withdrawn more often the more time they spend alone
   (``OTHER_WORD``). It is never the likelier choice, so no model can be right about the people who make it.
5. Any value may be missing (``LEFT_OUT``), for any person; the label never is.
6. Some people send their questionnaire twice (``SENT_TWICE``).

Run ``python make_data.py`` to write the file again, byte by byte the same; ``--rows``, ``--seed`` and ``--out`` make
others. It needs nothing but Python, whose `random.Random.random` gives the same numbers on every machine and version.
"""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path
from random import Random

ROWS = 2000
SEED = 20250601
FILE = Path(__file__).parent / "data" / "personality.csv"

LABEL = "Personality"
WORDS = ("Stage_fear", "Drained_after_socializing")
COLUMNS = (
    "Time_spent_Alone",
    "Stage_fear",
    "Social_event_attendance",
    "Going_outside",
    "Drained_after_socializing",
    "Friends_circle_size",
    "Post_frequency",
    LABEL,
)

# Share of the outgoing among all people.
OUTGOING = 0.503

# What the outgoing and the withdrawn say to each count: the smallest value, and the weights of it and the next ones.
COUNTS = {
    "Time_spent_Alone": ((0, (26, 23, 25, 25, 1)), (4, (12, 13, 11, 13, 13, 14, 14, 10))),
    "Social_event_attendance": ((3, (1, 18, 16, 17, 17, 14, 16, 1)), (0, (27, 23, 29, 21))),
    "Going_outside": ((3, (13, 25, 26, 24, 12)), (0, (35, 31, 32, 2))),
    "Friends_circle_size": ((4, (2, 5, 10, 9, 12, 9, 10, 9, 10, 9, 10, 5)), (0, (8, 20, 20, 20, 16, 16))),
    "Post_frequency": ((3, (13, 14, 15, 15, 16, 13, 12, 2)), (0, (32, 32, 34, 2))),
}

# The chance of choosing the other word, for the outgoing and the withdrawn: the count that it grows with, the smallest
# value of that count, the chance there, and what each step beyond adds. On average 6.5 % and 8.4 %.
OTHER_WORD = (("Friends_circle_size", 4, 0.0, 0.011), ("Time_spent_Alone", 4, 0.02, 0.018))

# Share of the values of each column that are left out.
LEFT_OUT = 0.0225

# Share of the people whose rows are there twice.
SENT_TWICE = 0.06


def make_rows(rows: int, seed: int) -> list[dict[str, str]]:
    """So many rows, by column name; numbers are written like ``4.0``, and what was left out is empty."""
    random = Random(seed)
    made: list[dict[str, str]] = []
    while len(made) < rows:
        made.append(_make_row(random))
        if random.random() < SENT_TWICE:
            # The second copy arrives some time later, or what looks like it: in another place of the file.
            made.insert(int(random.random() * len(made)), made[-1])
    return made[:rows]


def as_csv(rows: list[dict[str, str]]) -> str:
    """Rows as comma-separated values below their column names; one line feed a row."""
    return "".join(",".join(cells) + "\n" for cells in (COLUMNS, *([row[name] for name in COLUMNS] for row in rows)))


def _make_row(random: Random) -> dict[str, str]:
    withdrawn = int(random.random() >= OUTGOING)
    counts = {name: _count(random, *sides[withdrawn]) for name, sides in COUNTS.items()}
    name, start, chance, step = OTHER_WORD[withdrawn]
    other = random.random() < chance + step * (counts[name] - start)
    row = {name: f"{count}.0" for name, count in counts.items()} | dict.fromkeys(WORDS, ("No", "Yes")[withdrawn])
    for name in COLUMNS[:-1]:
        if random.random() < LEFT_OUT:
            row[name] = ""
    return row | {LABEL: ("Extrovert", "Introvert")[withdrawn ^ other]}


def _count(random: Random, smallest: int, weights: tuple[int, ...]) -> int:
    drawn = random.random() * sum(weights)
    return smallest + sum(1 for total in itertools.accumulate(weights) if total <= drawn)


def main() -> None:
    """Write the file that the command line describes."""
    parser = argparse.ArgumentParser(description="Make the data of the personality example.")
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--out", type=Path, default=FILE)
    options = parser.parse_args()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(as_csv(make_rows(options.rows, options.seed)), encoding="utf-8", newline="\n")
    print(f"{options.rows} rows in {options.out}")


if __name__ == "__main__":
    main()
