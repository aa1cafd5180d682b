"""``tiltyard operator``: keep projects on a Kubernetes cluster as resources describe them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tiltyard.cli.options import json_option
from tiltyard.cli.output import print_json, print_line
from tiltyard.errors import DataError, TiltyardError, UsageError

if TYPE_CHECKING:
    from tiltyard.cluster.observed import Action, Manifest


@click.command()
@click.option("--namespace", "namespaces", multiple=True, help="Namespace to look after.  [default: all]")
@click.option(
    "--every",
    default=15.0,
    show_default=True,
    type=click.FloatRange(1, 3600),
    help="Seconds between two readings of a model.",
)
@click.option("--alive", type=click.Path(path_type=Path), default=None, help="File to touch while there is progress.")
@click.option(
    "--render",
    type=click.Path(path_type=Path),
    default=None,
    help="Only print the objects of the TiltyardModel in this file.",
)
@click.option("--definition", is_flag=True, help="Only print the definition of TiltyardModel.")
@json_option
def operator_command(
    namespaces: tuple[str, ...], every: float, alive: Path | None, render: Path | None, definition: bool, as_json: bool
) -> None:
    """Keep projects on a Kubernetes cluster as resources of the kind TiltyardModel say.

    It needs the rights of deploy/kubernetes/operator, and finds the cluster as its pod's service account or by
    KUBECONFIG. It may be ended at any moment: another one continues.
    """
    if definition and render is not None:
        raise UsageError("--definition and --render print different things.", next_step="Leave one of them out.")
    if definition:
        from tiltyard.cluster.crd import make_crd

        _print_objects([make_crd()], as_json=as_json)
        return
    if render is not None:
        _print_objects(_render(render), as_json=as_json)
        return

    _check_namespaces(namespaces)
    if alive is not None and not alive.parent.is_dir():
        raise UsageError(f"--alive {alive} is in no folder that exists.", next_step=f"Make it: mkdir -p {alive.parent}")

    from tiltyard.cluster.access import find_access

    access = find_access()

    from tiltyard.cluster.run import OperatorScope, run_operator

    reports = _Reports(as_json=as_json)
    reports.show_start(str(access.server), namespaces)
    run_operator(access, OperatorScope(namespaces, every, alive), reports.show_action, reports.show_problem)


def _check_namespaces(namespaces: tuple[str, ...]) -> None:
    import re

    for name in namespaces:
        if not re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", name):
            raise UsageError(f"--namespace {name!r} is not a name of a namespace.", next_step="See: kubectl get ns")


def _render(file: Path) -> list[Manifest]:
    """The objects of the resource in a file.

    Raises:
        DataError: it cannot be read, or holds no resource that can be used.
    """
    import yaml  # type: ignore[import-untyped]

    from tiltyard.cluster.course import render_model

    try:
        model = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror}.", next_step="Check --render.") from None
    except (UnicodeDecodeError, yaml.YAMLError):
        raise DataError(f"{file} is not YAML.", next_step="Write one TiltyardModel into it.") from None
    try:
        return render_model(model)
    except ValueError as error:
        raise DataError(f"{file} cannot be used: {error}", next_step=f"Correct {file}.") from None


def _print_objects(objects: list[Manifest], *, as_json: bool) -> None:
    if as_json:
        print_json(objects)
        return
    import yaml

    print(yaml.safe_dump_all(objects, sort_keys=False, allow_unicode=True, width=120), end="")  # noqa: T201


class _Reports:
    """Prints what the operator does: JSON lines for programs, plain lines for people."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json

    def show_start(self, server: str, namespaces: tuple[str, ...]) -> None:
        if self._as_json:
            print_json({"event": "started", "server": server, "namespaces": list(namespaces)})
        else:
            print_line("Keeping the models of {} ({}).", server, ", ".join(namespaces) or "all namespaces")

    def show_action(self, namespace: str, name: str, action: Action) -> None:
        from tiltyard.cluster.observed import describe_action

        kind, said = describe_action(action)
        if self._as_json:
            print_json({"event": kind, "namespace": namespace, "name": name, "text": said})
        else:
            print_line("[dim]{}/{}[/dim] {}", namespace, name, said)

    def show_problem(self, namespace: str, name: str, problem: TiltyardError) -> None:
        if self._as_json:
            print_json({"event": "problem", "namespace": namespace, "name": name, **problem.to_dict()})
        else:
            print_line("[red]✗[/red] {}/{} {} [dim]Tiltyard tries again.[/dim]", namespace, name, problem.message)
