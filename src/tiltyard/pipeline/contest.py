"""Champion against challenger on the labels that came in production."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from tiltyard.errors import UsageError
from tiltyard.evaluation.sequential import LiveVerdict, judge_shadow, judge_split
from tiltyard.ledger import Event
from tiltyard.ledger.ports import Ledger
from tiltyard.project import Project
from tiltyard.registry.ports import Registry

# The share of callers where the project names none: the server's own default.
SPLIT_SHARE = 0.1


@dataclass(frozen=True)
class Challenge:
    """What the labels say of the present challenger.

    Attributes:
        champion: version that answers.
        challenger: version that answers beside it.
        verdict: what may be decided, with the evidence.
    """

    champion: str
    challenger: str
    verdict: LiveVerdict

    def to_dict(self) -> dict[str, object]:
        """JSON-ready form."""
        return {**self.verdict.to_dict(), "champion_version": self.champion, "challenger_version": self.challenger}


def judge_challenge(project: Project, registry: Registry, ledger: Ledger, actor: str) -> Challenge:
    """Judge the challenger by an anytime-valid test, and write a decision down once it is one.

    A verdict other than ``go on`` becomes the event ``challenged`` of the challenger's version, with its evidence: it
    is there for whoever promotes. The same verdict on the same champion is written once.

    Raises:
        UsageError: the project lets no challenger answer.
        NotFoundError: there is no champion or no challenger.
    """
    options = project.serving.challenger
    if options is None:
        raise UsageError(
            "No challenger answers in this project.",
            next_step='Write [serving] challenger = { mode = "shadow" } into the project file, and serve.',
        )
    name, alpha = project.model_name, project.promotion.alpha
    champion = registry.get_version(name, alias="champion")
    challenger = registry.get_version(name, alias="challenger")
    if options.mode == "shadow":
        counts = ledger.outcomes.shadowed(name, challenger.version)
        verdict = judge_shadow(
            counts.both_right,
            counts.only_champion_right,
            counts.only_challenger_right,
            counts.both_wrong,
            alpha=alpha,
        )
    else:
        rows = ledger.outcomes.split(name, challenger.version)
        verdict = judge_split(
            np.array([row.of_challenger for row in rows], dtype=bool),
            np.array([row.right for row in rows], dtype=bool),
            share=options.share or SPLIT_SHARE,
            alpha=alpha,
        )
    challenge = Challenge(champion.version, challenger.version, verdict)
    if verdict.decision != "go on":
        _write_down(challenge, name, ledger, actor)
    return challenge


def _write_down(challenge: Challenge, name: str, ledger: Ledger, actor: str) -> None:
    subject = f"{name}/{challenge.challenger}"
    decided = (challenge.champion, challenge.verdict.decision)
    for event in ledger.events(subject=subject, kind="challenged"):
        if (event.evidence.get("champion_version"), event.evidence.get("decision")) == decided:
            return
    ledger.append(
        Event(
            kind="challenged",
            subject=subject,
            at=datetime.now(UTC),
            actor=actor,
            reason=challenge.verdict.summary,
            evidence=challenge.to_dict(),
        )
    )
