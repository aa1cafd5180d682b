"""The stories: everything of ours that acknowledges what it wrote to a local disk."""

from __future__ import annotations

from benchmarks.power.stories.files import ApiKeys, IdempotencyKeys, LastGoodVersion, Snapshots
from benchmarks.power.stories.ledger import CentralLedger, Notifications
from benchmarks.power.stories.registry import AliasChanges, Registrations
from benchmarks.power.stories.spools import Serving, Shipping
from benchmarks.power.story import Story

STORIES: dict[str, Story] = {
    story.name: story
    for story in (
        # First: each of their states starts MLflow's store, so they get few, and the others what is left.
        AliasChanges(),
        Registrations(),
        CentralLedger(),
        Notifications(),
        Serving(),
        Shipping(),
        ApiKeys(),
        IdempotencyKeys(),
        LastGoodVersion(),
        Snapshots(),
    )
}
