"""What a person can do, as buttons: ``page_actions.js`` opens a dialog for each and sends it to ``/api/v1/actions``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from dash import html

from tiltyard.console.actions import OfferedAction, Subject
from tiltyard.console.layout.page import PageData
from tiltyard.jsonable import to_jsonable


def draw_offers(
    data: PageData, about: Subject, subject: str | None, *, only: Sequence[str] = (), heading: str = ""
) -> list[Any]:
    """A button for each action that fits the subject now; those that do not are there too, with the reason.

    Args:
        data: the stores, and what the reader can do.
        about: ``version``, ``incident``, ``prediction`` or ``model``.
        subject: which one; None of the model.
        only: names of the actions; default: all that fit.
        heading: what the dialog says above the action; default: its title.
    """
    offers = list_offers(data, about, subject, only=only)
    return [html.Div([_draw_offer(offer, heading) for offer in offers], className="offers")] if offers else []


def list_offers(
    data: PageData, about: Subject, subject: str | None, *, only: Sequence[str] = ()
) -> list[OfferedAction]:
    """The actions that fit, in the order of ``only`` where it is given."""
    found = data.offers(about, subject)
    if not only:
        return list(found)
    by_name = {offer.action.name: offer for offer in found}
    return [by_name[name] for name in only if name in by_name]


def _draw_offer(offer: OfferedAction, heading: str) -> html.Span:
    action = offer.action
    content = {
        "name": action.name,
        "title": action.title,
        "heading": heading,
        "help": action.help,
        "is_grave": action.is_grave,
        "fields": to_jsonable(list(action.fields)),
        "values": to_jsonable(dict(offer.values)),
        "command": offer.command,
    }
    button = html.Button(
        action.title,
        type="button",
        disabled=bool(offer.refused),
        className="act",
        **{"data-action": json.dumps(content)},
    )
    reason = [html.Span(offer.refused, className="hint")] if offer.refused else []
    return html.Span([button, *reason], className="offer")
