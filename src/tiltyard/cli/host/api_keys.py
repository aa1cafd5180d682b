"""``tiltyard keys api``: the keys that callers show to the server."""

from __future__ import annotations

import os
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from tiltyard import wiring
from tiltyard.cli.options import json_option, project_option
from tiltyard.cli.output import console, print_json, print_table, when
from tiltyard.cli.time_options import Duration
from tiltyard.errors import UsageError
from tiltyard.ledger import Event
from tiltyard.project import Project, load_project
from tiltyard.serving.auth.keyfile import KeyFile
from tiltyard.serving.auth.keys import SCOPES, ApiKey, ApiScope, NewKey
from tiltyard.settings import Settings


@click.group()
def api() -> None:
    """Make, list and revoke the keys that callers show to the server.

    Running servers follow within a second. As soon as one key was ever made, they ask everybody for one.
    """


@api.command()
@click.option("--scope", "scopes", multiple=True, required=True, type=click.Choice(SCOPES), help="What it may.")
@click.option("--name", default="", help="What it is for; shown in lists, logs and events.")
@click.option("--expires", "lifetime", type=Duration(), default=None, help="When it ends: 12h, 90d, 52w.  [never]")
@click.option(
    "--rate-limit",
    type=click.FloatRange(0, min_open=True),
    default=None,
    help="Most requests a second.  [default: the project's rate_limit]",
)
@project_option
@json_option
def new(
    scopes: tuple[ApiScope, ...],
    name: str,
    lifetime: timedelta | None,
    rate_limit: float | None,
    project_path: Path | None,
    as_json: bool,
) -> None:
    """Make a key, and show it this once: only its digest is kept.

    Scopes: predict (answers and explanations), feedback (labels), read (totals and metrics), admin (everything).
    To replace a key without a pause, make another one, hand it out, and revoke the first.
    """
    project = load_project(project_path)
    settings = wiring.load_settings(project)
    expires_at = datetime.now(UTC) + lifetime if lifetime else None
    made = NewKey.make(scopes, name=name, made_by=wiring.current_actor(), expires_at=expires_at, rate_limit=rate_limit)
    with wiring.open_ledger(settings) as ledger:
        KeyFile(settings.api_key_file).add(made.key)
        ledger.append(_event("api-key-made", project, made.key))
    if as_json:
        print_json({"key": made.token, **_shown(made.key)})
        return
    console.print(made.token, markup=False)
    ends = f"until {when(expires_at)}" if expires_at else "until it is revoked"
    click.echo(f"Key {made.key.id} may {', '.join(made.key.scopes)}, {ends}. It is not shown again.", err=True)


class _Named(click.ParamType[tuple[str, tuple[ApiScope, ...]]]):
    """NAME=SCOPE,…: an environment variable that holds a key, and what the key may."""

    name = "named key"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, tuple[ApiScope, ...]]:
        variable, _, written = str(value).partition("=")
        scopes = tuple(scope for scope in SCOPES if scope in written.split(","))
        if not variable or not scopes or len(scopes) != len(written.split(",")):
            self.fail(f"{value!r} is not NAME=SCOPE,… with scopes of {', '.join(SCOPES)}.", param, ctx)
        return variable, scopes


@api.command()
@click.argument("named", metavar="NAME=SCOPE[,SCOPE]…", nargs=-1, required=True, type=_Named())
@project_option
@json_option
def add(named: tuple[tuple[str, tuple[ApiScope, ...]], ...], project_path: Path | None, as_json: bool) -> None:
    """Take in keys that were made elsewhere, each from the environment variable NAME.

    For hosts whose secrets are kept elsewhere, such as containers. They are written as `tiltyard keys api new` writes
    them. A key that was taken in already stays as it is; one that was revoked here is not taken again.
    """
    project = load_project(project_path)
    settings = wiring.load_settings(project)
    keys = [_from_environment(variable, scopes) for variable, scopes in named]
    with wiring.open_ledger(settings) as ledger:
        for key in keys:
            if KeyFile(settings.api_key_file).take(key):
                ledger.append(_event("api-key-made", project, key))
    if as_json:
        print_json([_shown(key) for key in keys])
        return
    for key in keys:
        console.print(f"Key {key.id} ({key.name}) may {', '.join(key.scopes)}.", markup=False)


@api.command("list")
@project_option
@json_option
def list_keys(project_path: Path | None, as_json: bool) -> None:
    """List all keys that were ever made, without the keys themselves."""
    keys = KeyFile(_settings(project_path).api_key_file).read()
    if as_json:
        print_json([_shown(key) for key in keys])
        return
    columns = ("Id", "Name", "Scopes", "State", "Made", "By", "Ends", "Rate limit")
    now = datetime.now(UTC)
    print_table(
        "API keys",
        columns,
        (
            (
                key.id,
                key.name,
                ", ".join(key.scopes),
                key.state(now),
                key.made_at,
                key.made_by,
                key.revoked_at or key.expires_at,
                key.rate_limit,
            )
            for key in keys
        ),
    )


@api.command()
@click.argument("key_id")
@project_option
@json_option
def revoke(key_id: str, project_path: Path | None, as_json: bool) -> None:
    """Revoke a key by its id; servers that run refuse it within a second."""
    project = load_project(project_path)
    settings = wiring.load_settings(project)
    with wiring.open_ledger(settings) as ledger:
        key = KeyFile(settings.api_key_file).revoke(key_id)
        ledger.append(_event("api-key-revoked", project, key))
    if as_json:
        print_json(_shown(key))
        return
    console.print(f"Key {key.id} opens nothing any more.")


def describe_api_keys(settings: Settings) -> str:
    """Who is let in, in words; for ``tiltyard doctor``.

    Raises:
        UsageError: the file of keys cannot be read.
    """
    keys = KeyFile(settings.api_key_file).read()
    if not keys:
        return "none: servers let this machine in without one, and do not listen beyond it"
    states = Counter(key.state(datetime.now(UTC)) for key in keys)
    counted = ", ".join(f"{count} {state}" for state, count in states.items())
    return f"{counted}: servers ask everybody for one ({settings.api_key_file})"


def _from_environment(variable: str, scopes: tuple[ApiScope, ...]) -> ApiKey:
    token = os.environ.get(variable)
    if not token:
        raise UsageError(
            f"The environment variable {variable} holds no API key.",
            next_step=f"Set {variable} to a key as `tiltyard keys api new` makes them.",
            code="api-key.missing",
        )
    return NewKey.of(token, scopes, name=variable, made_by=wiring.current_actor()).key


def _settings(project_path: Path | None) -> Settings:
    return wiring.load_settings(load_project(project_path))


def _shown(key: ApiKey) -> dict[str, Any]:
    """A key as people may see it; its digest says nothing to them."""
    return key.model_dump(mode="json", exclude={"digest"}) | {"state": key.state(datetime.now(UTC))}


def _event(kind: str, project: Project, key: ApiKey) -> Event:
    return Event(
        kind=kind,
        subject=project.model_name,
        at=datetime.now(UTC),
        actor=wiring.current_actor(),
        reason=key.name,
        evidence={"api_key": key.id, "scopes": list(key.scopes), "expires_at": key.expires_at},
    )
