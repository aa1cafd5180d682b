"""Actions: what a person can decide in the console, by the use cases of the command line."""

from tiltyard.console.actions.action import ActionField, ActionOutcome, ConsoleAction, OfferedAction, Subject
from tiltyard.console.actions.desk import ActionDesk, find_action
from tiltyard.console.actions.jobs import ActionJob
from tiltyard.console.actions.table import ACTIONS

__all__ = [
    "ACTIONS",
    "ActionDesk",
    "ActionField",
    "ActionJob",
    "ActionOutcome",
    "ConsoleAction",
    "OfferedAction",
    "Subject",
    "find_action",
]
