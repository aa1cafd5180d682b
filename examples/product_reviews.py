"""Reviews of kitchen and household goods, made by a seeded generator: another domain than films.

The same seed gives the same reviews, on every machine. A review is two to four sentences about one thing, made of the
phrases below. Most of a positive review's phrases are positive; in every second review one is not, and one review in
twenty-five is given the wrong label, as real ones are. The phrases are written so that a model that knows films alone
errs: what is praise for a film (moving, thrilling, a masterpiece) is mockery of a kettle here, and what is scorn for a
film (predictable, quiet, slow, dead) is praise. No text is anybody's; the licence is the project's.

``python examples/product_reviews.py 500 --seed 7 > products.csv`` writes a CSV with columns ``text`` and ``label``.
"""

from __future__ import annotations

import argparse
import csv
import random
import sys
from dataclasses import dataclass

THINGS = (
    "kettle", "blender", "toaster", "vacuum", "coffee grinder", "desk lamp", "iron", "rice cooker", "fan", "drill",
    "hand mixer", "air fryer", "humidifier", "label printer", "garden hose", "pressure cooker",
)  # fmt: skip
USERS = (
    "my mother",
    "the neighbours",
    "our tenants",
    "my flatmate",
    "the children",
    "my colleague",
    "the whole office",
)
GOOD = (
    "Dead silent, even at night.",
    "The heat is predictable to the degree.",
    "It does one thing, slowly and evenly, and never fails.",
    "No drama, no surprises, it just runs.",
    "Simple to the point of dull, and I mean that as a compliment.",
    "The {thing} cleans up under the tap in a minute.",
    "Battery still at ninety percent after a week.",
    "Sturdy lid, long cord, weighs next to nothing.",
    "Nothing rattles, nothing leaks, nothing smells.",
    "It survived a fall down the stairs without a scratch.",
    "Two years of daily use and the seal is tight as on the first day.",
    "Replaced my old {thing}, which cost three times as much.",
    "Fits the narrow shelf and the cord winds away underneath.",
    "Assembled in five minutes without the manual.",
    "Bought a second {thing} for {user}.",
    "Descaling takes ten minutes and the filter is cheap.",
    "Customer service sent a spare gasket overnight, free of charge.",
    "It switches itself off, so I no longer worry.",
)
BAD = (
    "A masterpiece of packaging around a broken pump.",
    "The light show is beautiful; the water stays cold.",
    "A truly moving {thing}: it walks across the worktop by itself.",
    "Thrilling, if you enjoy sparks from a socket.",
    "I laughed and cried when the handle came off, full of boiling water.",
    "Gripping it burns your fingers.",
    "An unforgettable smell of melted plastic.",
    "The warranty is brilliant fiction.",
    "It stopped charging after nine days.",
    "The lid leaks and the base has begun to rust.",
    "The motor rattles and then the fuse goes.",
    "The {thing} arrived with a cracked base and no plug.",
    "The seal failed within a month, water everywhere.",
    "The blade wobbles and the screw cannot be tightened.",
    "Returned the {thing}; the refund took seven weeks.",
    "The cord is so short that it needs an extension.",
    "The buttons stick and the display is blank by now.",
    "Sent the {thing} back, like {user} did.",
)


NEITHER = (
    "Came in a brown box.",
    "I bought the {thing} for {user}.",
    "We have had it since spring.",
    "The manual is in nine languages.",
    "It is the grey one.",
    "Ordered on a Monday, came on a Thursday.",
    "There is a bigger model too.",
    "{thing}s are all alike, they say.",
)
MISTAKEN = 0.04


@dataclass(frozen=True)
class Review:
    """A review and what its writer thinks: ``positive`` or ``negative``."""

    text: str
    label: str


def make_reviews(count: int, seed: int = 7) -> list[Review]:
    """So many different reviews, about half of them positive."""
    rng, made = random.Random(seed), dict[str, Review]()
    while len(made) < count:
        review = _make(rng)
        made.setdefault(review.text, review)
    return list(made.values())


def _make(rng: random.Random) -> Review:
    positive = rng.random() < 0.5
    mine, other = (GOOD, BAD) if positive else (BAD, GOOD)
    phrases = rng.sample(mine, rng.choice((1, 2, 2, 3)))
    if len(phrases) > 1 and rng.random() < 0.7:
        phrases.insert(rng.randrange(len(phrases) + 1), rng.choice(other))
    phrases.append(rng.choice(NEITHER))
    words = {"thing": rng.choice(THINGS), "user": rng.choice(USERS)}
    mistaken = rng.random() < MISTAKEN
    return Review(" ".join(phrases).format(**words), "positive" if positive != mistaken else "negative")


def main() -> None:
    """Write reviews as CSV."""
    parser = argparse.ArgumentParser(description="Made-up reviews of household goods.")
    parser.add_argument("count", type=int)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    writer = csv.writer(sys.stdout)
    writer.writerow(("text", "label"))
    writer.writerows((review.text, review.label) for review in make_reviews(options.count, options.seed))


if __name__ == "__main__":
    main()
