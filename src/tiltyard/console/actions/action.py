"""What an action of the console is: its fields, who may take it, its command, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tiltyard.choices import Role
from tiltyard.console.actions.jobs import ActionJob

FieldKind = Literal["text", "long-text", "choice", "time", "flag", "number"]
Subject = Literal["version", "model", "incident", "prediction"]


@dataclass(frozen=True)
class ActionField:
    """A value that an action takes.

    Attributes:
        name: its key in the values.
        title: for people, in a form.
        kind: what it is, and how a form asks for it.
        required: whether it must be given.
        help: a sentence about it.
        choices: what it may be; empty where that is open.
        argument: how the command takes it: ``--reason``, or empty for an argument by position.
    """

    name: str
    title: str
    kind: FieldKind = "text"
    required: bool = True
    help: str = ""
    choices: tuple[str, ...] = ()
    argument: str = ""


@dataclass(frozen=True)
class ConsoleAction:
    """Something that a person can do in the console, over HTTP and on the command line alike.

    Attributes:
        name: its name in addresses.
        title: for people, on a button.
        about: what it is about.
        role: the least role that may take it.
        words: the words of the command before its arguments.
        fields: the values that it takes, its subject first.
        help: a sentence about it.
        is_long: whether it runs as a job, in a process of the command.
        is_grave: whether it changes what users get, so that a person should confirm it.
    """

    name: str
    title: str
    about: Subject
    role: Role
    words: tuple[str, ...]
    fields: tuple[ActionField, ...]
    help: str
    is_long: bool = False
    is_grave: bool = False

    @property
    def needs_reason(self) -> bool:
        """Whether the decision keeps a reason, which must be given."""
        return any(one.name == "reason" and one.required for one in self.fields)


@dataclass(frozen=True)
class OfferedAction:
    """An action that fits a subject now.

    Attributes:
        action: the action.
        values: what is known of its values already.
        refused: why it cannot be taken now; empty where it can.
        command: the command that does the same.
    """

    action: ConsoleAction
    values: Mapping[str, Any]
    refused: str = ""
    command: str = ""


@dataclass(frozen=True)
class ActionOutcome:
    """What came of an action.

    Attributes:
        action: its name.
        summary: a sentence for people.
        command: the command that does the same.
        result: what the command prints with ``--json``; empty of a job, which has its own.
        job: the job of a long action; None of the others.
    """

    action: str
    summary: str
    command: str
    result: Mapping[str, Any] = field(default_factory=dict)
    job: ActionJob | None = None
