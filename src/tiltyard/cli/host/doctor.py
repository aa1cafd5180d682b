"""``tiltyard doctor``: check the installation and the project, and name the fix for each problem."""

from __future__ import annotations

import importlib.metadata
import platform
import shutil
import stat
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tiltyard._version import __version__
from tiltyard.cli.host.api_keys import describe_api_keys
from tiltyard.cli.host.doctor_arrivals import check_arrivals
from tiltyard.cli.host.doctor_decisions import Check, check_decisions
from tiltyard.cli.host.doctor_labels import check_label_times
from tiltyard.cli.host.doctor_mlflow import check_mlflow_variables
from tiltyard.cli.host.doctor_prefect import check_prefect_schedules
from tiltyard.cli.host.doctor_proxies import check_proxies
from tiltyard.cli.host.doctor_sqlite import check_sqlite
from tiltyard.cli.host.doctor_state import check_state_access
from tiltyard.cli.host.doctor_streams import check_streams
from tiltyard.cli.main import EXIT_FAILED
from tiltyard.cli.options import json_option, model_option, project_option
from tiltyard.cli.output import console, print_json, print_line
from tiltyard.cli.versions.find_project import find_project
from tiltyard.errors import NotFoundError, TiltyardError
from tiltyard.formatting import format_count
from tiltyard.libraries import installed_version
from tiltyard.redact import without_password

if TYPE_CHECKING:
    from tiltyard.project import Project
    from tiltyard.settings import Settings

LIBRARIES = ("scikit-learn", "mlflow", "skops", "numpy", "pandas", "sqlalchemy", "fastapi", "uvicorn", "numba")
EXTRAS = {
    "azure": "azure-storage-blob",
    "boosting": "lightgbm",
    "console": "dash",
    "excel": "python-calamine",
    "fairness": "fairlearn",
    "google": "google-cloud-storage",
    "mcp": "mcp",
    "operator": "kopf",
    "otel": "opentelemetry-sdk",
    "postgres": "psycopg",
    "prefect": "prefect",
    "ray": "ray",
    "s3": "boto3",
    "search": "optuna",
    "streams": "aio-pika",
}
LOW_DISK = 500 * 1024 * 1024


@click.command()
@project_option
@model_option
@click.option("--repair", is_flag=True, help="Complete or withdraw interrupted alias changes.")
@json_option
def doctor_command(project_path: Path | None, model_name: str | None, repair: bool, as_json: bool) -> int:
    """Check the installation, the stores and the champion, and name the fix for each problem.

    Exit code 1 when a check fails.
    """
    checks = [*_check_installation(), *_check_project(project_path, model_name, repair=repair)]
    wrong = [check for check in checks if check.state == "wrong"]
    if as_json:
        print_json({"healthy": not wrong, "checks": [asdict(check) for check in checks]})
        return EXIT_FAILED if wrong else 0
    marks = {"ok": "[green]✓[/green]", "note": "[yellow]•[/yellow]", "wrong": "[red]✗[/red]"}
    for check in checks:
        print_line(marks[check.state] + " [bold]{}[/bold]  {}", check.name, check.found)
        if check.next_step:
            console.print(f"    next: {check.next_step}")
    console.print("All checks pass." if not wrong else f"{len(wrong)} of {format_count(len(checks), 'check')} failed.")
    return EXIT_FAILED if wrong else 0


def _check_installation() -> Iterator[Check]:
    from tiltyard.sqlite import default_library

    yield Check("tiltyard", "ok", f"{__version__} on Python {platform.python_version()}, {platform.system()}")
    yield Check("libraries", "ok", ", ".join(f"{name} {installed_version(name)}" for name in LIBRARIES))
    yield check_sqlite(default_library())
    missing = [extra for extra, library in EXTRAS.items() if not _is_installed(library)]
    if missing:
        yield Check(
            "optional parts",
            "note",
            f"not installed: {', '.join(missing)}",
            f"If you need one: pip install 'tiltyard[{missing[0]}]'",
        )
    else:
        yield Check("optional parts", "ok", f"installed: {', '.join(EXTRAS)}")


def _check_project(path: Path | None, model_name: str | None, *, repair: bool) -> Iterator[Check]:
    from tiltyard import wiring

    try:
        project = find_project(path, model_name, quiet=True)
    except TiltyardError as error:
        state = "note" if error.code == "project.missing" and path is None else "wrong"
        yield Check("project file", state, error.message, error.next_step)
        return
    if project.has_rows:
        yield Check("project file", "ok", f"{project.root}: {project.name}, {project.task}")
        yield from _run_check("data", lambda: _describe_data(project))
    else:
        found = f"none; the model is {project.model_name}, and limits and gates are the defaults"
        yield Check("project file", "note", found, "To set them, and to name the data: tiltyard init DATA_FILE")
    settings = wiring.load_settings(project)
    yield check_mlflow_variables(settings)
    yield _disk(settings)
    yield from _run_check("ledger", lambda: _describe_ledger(settings))
    yield from check_arrivals(project, settings)
    yield from check_label_times(project, settings)
    yield from _run_check("registry", lambda: _describe_registry(project, settings))
    yield from check_decisions(project, settings, repair=repair)
    yield from _run_check("signatures", lambda: _describe_keys(settings))
    yield from _key_files(settings)
    yield from _run_check("api keys", lambda: describe_api_keys(settings))
    yield from _run_check("champion", lambda: _describe_champion(project, settings))
    yield from check_prefect_schedules(project, settings)
    yield from check_streams(project)
    yield from check_proxies(project, settings)
    yield from check_state_access(settings)


def _run_check(name: str, describe: Callable[[], str]) -> Iterator[Check]:
    try:
        yield Check(name, "ok", describe())
    except NotFoundError as error:
        yield Check(name, "note", error.message, error.next_step)
    except TiltyardError as error:
        yield Check(name, "wrong", error.message, error.next_step)


def _describe_data(project: Project) -> str:
    from tiltyard.data import load_dataset

    dataset = load_dataset(project)
    counts = ", ".join(f"{label} {count:,}" for label, count in dataset.labels.value_counts().sort_index().items())
    return f"{project.data.source}: {format_count(len(dataset), 'row')} ({counts}), fingerprint {dataset.fingerprint}"


def _describe_ledger(settings: Settings) -> str:
    from tiltyard import wiring
    from tiltyard.ledger.spools.spool import measure_lag

    with wiring.open_ledger(settings) as ledger:
        total = ledger.prediction_stats().total
        broken = ledger.verify_events()
    waiting = measure_lag(settings.spool).rows
    if broken:
        raise TiltyardError(
            f"The chain of events is broken in {format_count(len(broken), 'place')}, first: {broken[0]}",
            next_step="The ledger was changed outside Tiltyard: compare it with a backup.",
        )
    return f"{without_password(settings.ledger_url)}: {format_count(total, 'prediction')}, chain of events whole" + (
        f"; {waiting:,} records of this host's servers wait to be shipped" if waiting else ""
    )


def _describe_registry(project: Project, settings: Settings) -> str:
    from tiltyard import wiring

    versions = wiring.open_registry(settings).list_versions(project.model_name)
    return (
        f"{without_password(settings.registry_uri)}: {format_count(len(versions), 'version')} of {project.model_name}"
    )


def _describe_champion(project: Project, settings: Settings) -> str:
    from tiltyard import wiring

    registry = wiring.open_registry(settings)
    info = registry.get_version(project.model_name, alias="champion")
    try:
        package = wiring.open_version_loader(settings, registry).load(info)
    except NotFoundError as error:
        # That there is no champion yet is a note; that the champion's files are gone is not.
        raise TiltyardError(
            f"Version {info.version} is champion and cannot be loaded from {info.source}: {error.message}",
            next_step=error.next_step,
            code=error.code,
        ) from None
    signed = f", signed by {package.signed_by}" if package.signed_by else ""
    return f"version {info.version} of {info.name}, verified{signed}"


def _describe_keys(settings: Settings) -> str:
    from tiltyard import wiring
    from tiltyard.registry.package.signing import TRUSTED_KEYS

    keys = wiring.trusted_keys(settings)
    trusted = [key.id for key in keys.trusted]
    if keys.own is not None and trusted and keys.own.id not in trusted:
        raise TiltyardError(
            f"This host signs with the key {keys.own.id} and loads only versions signed by {', '.join(trusted)}: "
            "it cannot load what it trains.",
            next_step=f"Add the public key to {TRUSTED_KEYS}: {keys.own.text}",
        )
    signing = f"new versions are signed by {keys.own.id}" if keys.own else "new versions are not signed"
    loading = f"only versions signed by {' or '.join(trusted)} are loaded" if trusted else "no signature is required"
    return f"{signing}; {loading}"


def _key_files(settings: Settings) -> Iterator[Check]:
    """Who else can read the private key, or write a key that is trusted."""
    from tiltyard.registry.package.signing import SIGNING_KEY, TRUSTED_KEYS, key_file

    secret = settings.signing_key.get_secret_value() if settings.signing_key else ""
    yield from _key_file(SIGNING_KEY, key_file(secret, settings.root), 0o077)
    for given in settings.trusted_keys:
        yield from _key_file(TRUSTED_KEYS, key_file(given, settings.root), 0o022)
    yield from _key_file("TILTYARD_API_KEYS", settings.api_key_file, 0o022)


def _key_file(setting: str, file: Path | None, forbidden: int) -> Iterator[Check]:
    if file is None or not file.is_file():
        return
    mode = stat.S_IMODE(file.stat().st_mode)
    if not mode & forbidden:
        yield Check("key file", "ok", f"{setting}: {file} (mode {mode:04o})")
        return
    # A group that only reads is how secrets are mounted into containers.
    state = "note" if mode & forbidden == stat.S_IRGRP else "wrong"
    able = "read or change" if forbidden & stat.S_IROTH else "change"
    yield Check(
        "key file",
        state,
        f"{setting}: others than the owner can {able} {file} (mode {mode:04o})",
        f"Run: chmod {(mode & ~forbidden) & 0o777:04o} {file}",
    )


def _disk(settings: Settings) -> Check:
    folder = settings.state if settings.state.exists() else settings.root
    free = shutil.disk_usage(folder).free
    if free < LOW_DISK:
        return Check(
            "disk",
            "wrong",
            f"{free / 1e6:,.0f} MB free at {folder}",
            "Free some space: the server needs it to record predictions.",
        )
    return Check("disk", "ok", f"state in {settings.state}, {free / 1e9:,.1f} GB free")


def _is_installed(library: str) -> bool:
    try:
        installed_version(library)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
