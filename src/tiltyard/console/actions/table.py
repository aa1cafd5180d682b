"""The actions of the console: one table for the pages, for HTTP and for the commands that do the same."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from tiltyard.console.actions.action import ActionField, ConsoleAction

_REASON = ActionField(
    "reason", "Reason", "long-text", help="Why; the decision keeps it, with who took it.", argument="--reason"
)
_VERSION = ActionField("version", "Version", help="Number or label of the version.")
_INCIDENT = ActionField("incident", "Incident", help="Id of the alert, or its kind of incident.")
_PREDICTION = ActionField("prediction", "Prediction", help="Id of the prediction.")

_ACTIONS = (
    ConsoleAction(
        "promote",
        "Promote",
        "version",
        "operator",
        ("promote",),
        (
            _VERSION,
            ActionField(
                "force",
                "Overrule the gates",
                "flag",
                required=False,
                help="Champion even if gates refuse it; it needs the role admin.",
                argument="--force",
            ),
            _REASON,
        ),
        "Send the version through the gates on the current test rows; it becomes champion if it passes.",
        is_long=True,
        is_grave=True,
    ),
    ConsoleAction(
        "approve",
        "Approve",
        "version",
        "operator",
        ("approve",),
        (_VERSION, _REASON),
        "Make a version champion that passed the gates and waits for approval.",
        is_grave=True,
    ),
    ConsoleAction(
        "reject",
        "Reject",
        "version",
        "operator",
        ("approve", "--decline"),
        (_VERSION, _REASON),
        "Decline a version that waits for approval; the champion stays.",
    ),
    ConsoleAction(
        "set-alias",
        "Set an alias",
        "version",
        "operator",
        ("set-alias",),
        (
            ActionField("version", "Version", help="Number or label of the version.", argument="--version"),
            ActionField(
                "alias",
                "Alias",
                help="Such as challenger. The alias champion, which passes no gates this way, needs the role admin.",
                argument="--alias",
            ),
            _REASON,
        ),
        "Point an alias at the version by hand, without gates.",
        is_grave=True,
    ),
    ConsoleAction(
        "roll-back",
        "Roll back",
        "version",
        "operator",
        ("rollback",),
        (
            ActionField(
                "version",
                "Version",
                required=False,
                help="The version to go back to; default: the one before.",
                argument="--to",
            ),
            _REASON,
        ),
        "Make an earlier version champion again.",
        is_grave=True,
    ),
    ConsoleAction(
        "archive",
        "Archive",
        "version",
        "operator",
        ("archive",),
        (_VERSION, _REASON),
        "Archive the version: its aliases go, its files and its history stay.",
    ),
    ConsoleAction(
        "unarchive",
        "Take out of the archive",
        "version",
        "operator",
        ("archive", "--undo"),
        (_VERSION, _REASON),
        "Take the version out of the archive.",
    ),
    ConsoleAction(
        "challenge",
        "Evaluate the live test",
        "model",
        "operator",
        ("challenge",),
        (),
        "Evaluate the live A/B test of champion and challenger on the labels so far.",
        is_long=True,
    ),
    ConsoleAction(
        "retrain",
        "Retrain",
        "model",
        "operator",
        ("retrain",),
        (_REASON,),
        "Train a version with the labels of production; it becomes champion if it wins.",
        is_long=True,
        is_grave=True,
    ),
    ConsoleAction(
        "acknowledge",
        "Acknowledge",
        "incident",
        "operator",
        ("alerts", "acknowledge"),
        (_INCIDENT, _REASON),
        "Say that you take care of an open incident.",
    ),
    ConsoleAction(
        "snooze",
        "Snooze",
        "incident",
        "operator",
        ("alerts", "snooze"),
        (
            _INCIDENT,
            ActionField("for", "For", required=False, help="How long: 12h, 3d, 2w.", argument="--for"),
            ActionField("until", "Until", "time", required=False, help="Or until when.", argument="--until"),
            _REASON,
        ),
        "Have no notices of an open incident for a while; a graver finding ends that.",
    ),
    ConsoleAction(
        "wake",
        "End the snooze",
        "incident",
        "operator",
        ("alerts", "wake"),
        (_INCIDENT, _REASON),
        "Have notices of the incident again.",
    ),
    ConsoleAction(
        "label",
        "Label",
        "prediction",
        "labeller",
        ("label", "set"),
        (_PREDICTION, ActionField("label", "True label", help="The class, or the number.")),
        "Give the prediction its true label; it replaces an earlier one.",
    ),
    ConsoleAction(
        "undo-label",
        "Undo",
        "prediction",
        "labeller",
        ("label", "undo"),
        (_PREDICTION,),
        "Take back the label that you gave the prediction; the one before it counts again.",
    ),
    ConsoleAction(
        "fill-queue",
        "Choose predictions to label",
        "model",
        "labeller",
        ("label", "queue", "--drifted=0", "--json"),
        (
            ActionField(
                "size", "How many", "number", required=False, help="At most 500; default: 100.", argument="--size"
            ),
        ),
        "Request labels for the predictions most worth one, a part of them drawn at random.",
    ),
)

ACTIONS: Mapping[str, ConsoleAction] = MappingProxyType({action.name: action for action in _ACTIONS})
