"""``tiltyard keys api``: the keys with which callers authenticate to the server."""

from __future__ import annotations

import os
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tiltyard.choices import ROLES, SCOPES, ApiScope, Role
from tiltyard.cli.options import Number, Words, json_option, model_option, project_option
from tiltyard.cli.output import console, format_time, print_json, print_table
from tiltyard.cli.time_options import Duration
from tiltyard.cli.versions.find_project import find_project
from tiltyard.errors import UsageError

if TYPE_CHECKING:
    from tiltyard.ledger import Event
    from tiltyard.project import Project
    from tiltyard.serving.auth.keys import ApiKey
    from tiltyard.settings import Settings

_LOST = "API keys were made on this host, and there are none in {}: servers refuse requests."
_LOST_NEXT = "Restore the file, or make keys anew: tiltyard keys api new (or go without: tiltyard keys api disable)"


@click.group()
def api_group() -> None:
    """Create, list and revoke the API keys of the server.

    Running servers notice changes within a second. Once a key has been created, every request needs one, also after the
    keys are lost: only `tiltyard keys api disable` ends that.
    """


@api_group.command()
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice(SCOPES),
    help="What the key allows; repeatable.",
)
@click.option(
    "--role",
    "roles",
    multiple=True,
    type=click.Choice(ROLES),
    help="What a person may do in the console, as scopes; instead of --scope or with it.",
)
@click.option("--name", type=Words(), default=None, help="Purpose of the key; shown in lists, logs and events.")
@click.option(
    "--expires",
    "lifetime",
    type=Duration(),
    default=None,
    help="Lifetime of the key: 12h, 90d, 52w.  [default: unlimited]",
)
@click.option(
    "--rate-limit",
    type=Number(0, min_open=True),
    default=None,
    help="Maximum requests per second.  [default: the project's rate_limit]",
)
@project_option
@model_option
@json_option
def new_command(
    scopes: tuple[ApiScope, ...],
    roles: tuple[Role, ...],
    name: str | None,
    lifetime: timedelta | None,
    rate_limit: float | None,
    project_path: Path | None,
    model_name: str | None,
    as_json: bool,
) -> None:
    """Create a key and print it once: only its digest is stored.

    Scopes: predict (predictions and explanations), feedback (labels), batch (files in the background), read (totals,
    metrics and the console), operate (decisions in the console), admin (everything).
    Roles of the console: viewer (read), labeller (read, feedback), operator (read, feedback, operate), admin.
    To replace a key without downtime, create another one, distribute it, then revoke the first.
    """
    from tiltyard import wiring
    from tiltyard.serving.auth.keyfile import KeyFile
    from tiltyard.serving.auth.keys import NewKey
    from tiltyard.serving.auth.keys_mark import KeysMark
    from tiltyard.serving.auth.roles import list_scopes

    if not scopes and not roles:
        raise UsageError(
            "The key would allow nothing: neither --scope nor --role is given.",
            next_step=f"Add --role {', '.join(ROLES)} for a person, or --scope {', '.join(SCOPES)} for a program.",
        )
    project = find_project(project_path, model_name, quiet=True)
    settings = wiring.load_settings(project)
    expires_at = datetime.now(UTC) + lifetime if lifetime else None
    allowed = list_scopes(roles, scopes)
    created = NewKey.generate(
        allowed, name=name or "", made_by=wiring.current_actor(), expires_at=expires_at, rate_limit=rate_limit
    )
    with wiring.open_ledger(settings) as ledger:
        settings.make_state()
        KeysMark(settings.api_keys_mark).set(settings.api_key_file)
        KeyFile(settings.api_key_file).add(created.key)
        ledger.append(_key_event("api-key-made", project, created.key))
    if as_json:
        print_json({"key": created.token, **_describe_key(created.key)})
        return
    console.print(created.token, markup=False)
    ends = f"until {format_time(expires_at)}" if expires_at else "until it is revoked"
    scopes_text = ", ".join(created.key.scopes)
    click.echo(f"Key {created.key.id} allows {scopes_text}, {ends}. It is not shown again.", err=True)


class _NamedKey(click.ParamType[tuple[str, tuple[ApiScope, ...]]]):
    """NAME=SCOPE,…: an environment variable that holds a key, and the scopes of the key."""

    name = "named key"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, tuple[ApiScope, ...]]:
        variable, _, written = str(value).partition("=")
        scopes = tuple(scope for scope in SCOPES if scope in written.split(","))
        if not variable or not scopes or len(scopes) != len(written.split(",")):
            self.fail(f"{value!r} is not NAME=SCOPE,… with scopes of {', '.join(SCOPES)}.", param, ctx)
        return variable, scopes


@api_group.command()
@click.argument("named", metavar="NAME=SCOPE[,SCOPE]…", nargs=-1, required=True, type=_NamedKey())
@project_option
@model_option
@json_option
def add_command(
    named: tuple[tuple[str, tuple[ApiScope, ...]], ...],
    project_path: Path | None,
    model_name: str | None,
    as_json: bool,
) -> None:
    """Import keys that were created elsewhere, each from the environment variable NAME.

    Use it on hosts that receive their secrets from outside, such as containers. A key that was imported before is not
    changed; a key that was revoked here is not imported again.
    """
    from tiltyard import wiring
    from tiltyard.serving.auth.keyfile import KeyFile
    from tiltyard.serving.auth.keys_mark import KeysMark

    project = find_project(project_path, model_name, quiet=True)
    settings = wiring.load_settings(project)
    keys = [_from_environment(variable, scopes) for variable, scopes in named]
    with wiring.open_ledger(settings) as ledger:
        settings.make_state()
        KeysMark(settings.api_keys_mark).set(settings.api_key_file)
        for key in keys:
            if KeyFile(settings.api_key_file).import_key(key):
                ledger.append(_key_event("api-key-made", project, key))
    if as_json:
        print_json([_describe_key(key) for key in keys])
        return
    for key in keys:
        console.print(f"Key {key.id} ({key.name}) allows {', '.join(key.scopes)}.", markup=False)


@api_group.command("list")
@project_option
@model_option
@json_option
def list_keys_command(project_path: Path | None, model_name: str | None, as_json: bool) -> None:
    """List all keys, revoked ones included, without the keys themselves."""
    from tiltyard.serving.auth.keyfile import KeyFile
    from tiltyard.serving.auth.keys_mark import KeysMark

    settings = _load_settings(project_path, model_name)
    keys = KeyFile(settings.api_key_file).read()
    if not keys and KeysMark(settings.api_keys_mark).is_set:
        click.echo(f"{_LOST.format(settings.api_key_file)} {_LOST_NEXT}", err=True)
    if as_json:
        print_json([_describe_key(key) for key in keys])
        return
    columns = ("Id", "Name", "Scopes", "State", "Created", "By", "Ends", "Rate limit")
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


@api_group.command()
@click.argument("key_id")
@project_option
@model_option
@json_option
def revoke_command(key_id: str, project_path: Path | None, model_name: str | None, as_json: bool) -> None:
    """Revoke a key by its id; running servers refuse it within a second."""
    from tiltyard import wiring
    from tiltyard.serving.auth.keyfile import KeyFile

    project = find_project(project_path, model_name, quiet=True)
    settings = wiring.load_settings(project)
    with wiring.open_ledger(settings) as ledger:
        key = KeyFile(settings.api_key_file).revoke(key_id)
        ledger.append(_key_event("api-key-revoked", project, key))
    if as_json:
        print_json(_describe_key(key))
        return
    console.print(f"Key {key.id} is revoked.")


@api_group.command()
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@project_option
@model_option
@json_option
def disable_command(*, yes: bool, project_path: Path | None, model_name: str | None, as_json: bool) -> None:
    """Let servers on this host respond without API keys again.

    Every key has to be revoked or expired before, or lost. Servers and consoles on loopback are then open to programs
    on this machine. Lost keys alone never do that: until this command, servers refuse requests.
    """
    from tiltyard import wiring
    from tiltyard.ledger import Event
    from tiltyard.serving.auth.keyfile import KeyFile
    from tiltyard.serving.auth.keys_mark import KeysMark

    project = find_project(project_path, model_name, quiet=True)
    settings = wiring.load_settings(project)
    file, mark = KeyFile(settings.api_key_file), KeysMark(settings.api_keys_mark)
    if not yes:
        question = f"Let every program on this machine use {project.model_name} without an API key?"
        click.confirm(question, abort=True, err=True)
    with wiring.open_ledger(settings) as ledger:
        file.empty()
        mark.remove()
        ledger.append(Event("api-keys-disabled", project.model_name, datetime.now(UTC), wiring.current_actor(), "", {}))
    if as_json:
        print_json({"api_keys": "disabled", "file": str(file.path)})
    else:
        console.print("API keys are disabled: servers on loopback respond without one.")


def describe_api_keys(settings: Settings) -> str:
    """A line on the API keys, for ``tiltyard doctor``.

    Raises:
        UsageError: the key file cannot be read, or is gone.
    """
    from tiltyard.serving.auth.keyfile import KeyFile
    from tiltyard.serving.auth.keys_mark import KeysMark

    keys = KeyFile(settings.api_key_file).read()
    if not keys and KeysMark(settings.api_keys_mark).is_set:
        raise UsageError(_LOST.format(settings.api_key_file), next_step=_LOST_NEXT, code="api-key.lost")
    if not keys:
        return "none: servers listen on loopback only and need no key"
    states = Counter(key.state(datetime.now(UTC)) for key in keys)
    counts = ", ".join(f"{count} {state}" for state, count in states.items())
    return f"{counts}: servers require a key ({settings.api_key_file})"


def _from_environment(variable: str, scopes: tuple[ApiScope, ...]) -> ApiKey:
    from tiltyard import wiring
    from tiltyard.serving.auth.keys import NewKey

    token = os.environ.get(variable)
    if not token:
        raise UsageError(
            f"The environment variable {variable} holds no API key.",
            next_step=f"Set {variable} to a key from `tiltyard keys api new`.",
            code="api-key.missing",
        )
    return NewKey.from_token(token, scopes, name=variable, made_by=wiring.current_actor()).key


def _load_settings(project_path: Path | None, model_name: str | None) -> Settings:
    from tiltyard import wiring

    return wiring.load_settings(find_project(project_path, model_name, quiet=True))


def _describe_key(key: ApiKey) -> dict[str, Any]:
    """A key for output, without its digest."""
    return key.model_dump(mode="json", exclude={"digest"}) | {"state": key.state(datetime.now(UTC))}


def _key_event(kind: str, project: Project, key: ApiKey) -> Event:
    from tiltyard import wiring
    from tiltyard.ledger import Event

    return Event(
        kind=kind,
        subject=project.model_name,
        at=datetime.now(UTC),
        actor=wiring.current_actor(),
        reason=key.name,
        evidence={"api_key": key.id, "scopes": list(key.scopes), "expires_at": key.expires_at},
    )
