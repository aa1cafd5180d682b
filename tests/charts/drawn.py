"""What stands in a picture, read from its SVG."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from xml.etree import ElementTree

from tiltyard.charts.labels import FONT, measure_labels
from tiltyard.charts.panel import Picture

SVG = "{http://www.w3.org/2000/svg}"


@dataclass(frozen=True)
class DrawnText:
    """Words of a picture, with their corners: (x, y) in pixels, four of them."""

    words: str
    corners: tuple[tuple[float, float], ...]


def read_picture(picture: Picture) -> ElementTree.Element:
    """The picture as XML: it is well-formed, and has the size that it says."""
    root = ElementTree.fromstring(picture.svg)
    assert (root.get("width"), root.get("height")) == (f"{picture.width:.0f}", f"{picture.height:.0f}")
    return root


def read_texts(picture: Picture) -> list[DrawnText]:
    """All words of a picture."""
    return [_place(text) for text in read_picture(picture).iter(f"{SVG}text")]


def read_words(picture: Picture) -> list[str]:
    """The words alone."""
    return [text.words for text in read_texts(picture)]


def read_dots(picture: Picture) -> list[tuple[float, float]]:
    """The middles of all dots."""
    return [
        (float(dot.get("cx") or "nan"), float(dot.get("cy") or "nan"))
        for dot in read_picture(picture).iter(f"{SVG}circle")
    ]


def count_frames(picture: Picture) -> int:
    """How many panels there are."""
    return sum(box.get("fill") == "none" for box in read_picture(picture).iter(f"{SVG}rect"))


def count_bars(picture: Picture, colour: str) -> int:
    """How many bars of a colour there are."""
    return sum(box.get("fill") == colour for box in read_picture(picture).iter(f"{SVG}rect"))


def _place(text: ElementTree.Element) -> DrawnText:
    words = text.text or ""
    x, y, width = float(text.get("x") or "nan"), float(text.get("y") or "nan"), measure_labels([words])
    left = x - {"start": 0.0, "middle": 0.5, "end": 1.0}[text.get("text-anchor", "start")] * width
    turned = re.match(r"rotate\((\S+)", text.get("transform", ""))
    angle = math.radians(float(turned[1])) if turned else 0.0
    corners = ((across, down) for across in (left - x, left - x + width) for down in (-FONT * 0.8, FONT * 0.25))
    turn = [
        (
            x + across * math.cos(angle) - down * math.sin(angle),
            y + across * math.sin(angle) + down * math.cos(angle),
        )
        for across, down in corners
    ]
    return DrawnText(words, tuple(turn))
