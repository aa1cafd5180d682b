"""The command ``tiltyard``: finds the command asked for, and turns errors into messages and exit codes."""

from __future__ import annotations

import importlib
import json
import os
import sys
import tempfile
import traceback
from collections.abc import Sequence
from typing import Any

import click

from tiltyard._version import __version__
from tiltyard.cli.escape import escape_control
from tiltyard.errors import TiltyardError, UsageError
from tiltyard.redact import without_passwords
from tiltyard.suggest import nearest

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_NO = 3

# Where each command lives, and its line in the help. The modules are imported only when their command runs, so that
# the help answers at once; a test holds these lines against the commands' own.
COMMANDS: dict[str, tuple[str, str]] = {
    "init": ("tiltyard.cli.data.init:init", "Write a commented tiltyard.toml for a data file."),
    "data": (
        "tiltyard.cli.data.data:data",
        "Keep the rows of a project, list and prune them, or fetch a public corpus.",
    ),
    "validate": (
        "tiltyard.cli.data.validate:validate",
        "Check the data against the project's limits, and write a report.",
    ),
    "train": ("tiltyard.cli.training.train:train", "Train a version, register it, and promote it if asked."),
    "evaluate": (
        "tiltyard.cli.training.evaluate:evaluate",
        "Judge a version on the present test rows: metrics, slices and fairness.",
    ),
    "model-info": ("tiltyard.cli.versions.versions:model_info", "Show the champion, or another version."),
    "list-versions": (
        "tiltyard.cli.versions.versions:list_versions",
        "List all versions with their aliases and metrics.",
    ),
    "set-alias": ("tiltyard.cli.versions.versions:set_alias", "Point an alias at a version by hand."),
    "promote": (
        "tiltyard.cli.decisions.governance:promote",
        "Send a registered version through the gates; it becomes champion if it passes.",
    ),
    "approve": (
        "tiltyard.cli.decisions.approve:approve",
        "Approve a version that passed the gates; without a version, list those that wait.",
    ),
    "challenge": (
        "tiltyard.cli.decisions.challenge:challenge",
        "Judge the challenger that answers beside the champion, by the labels so far.",
    ),
    "rollback": (
        "tiltyard.cli.decisions.governance:rollback",
        "Make the previous version champion again, or another one.",
    ),
    "history": ("tiltyard.cli.decisions.governance:history", "List the decisions about a model as they happened."),
    "export": (
        "tiltyard.cli.versions.export:export",
        "Write a version as pickles: PROJECT_model.pkl, PROJECT_model_vectorizer.pkl and metrics.json.",
    ),
    "runs": ("tiltyard.cli.training.runs:runs", "List, search and compare the runs of the project's experiment."),
    "predict": (
        "tiltyard.cli.predictions.predict:predict",
        "Answer texts or rows with the champion, without a server.",
    ),
    "serve": ("tiltyard.cli.predictions.serve:serve", "Serve the champion over HTTP and record every answer."),
    "predictions": (
        "tiltyard.cli.predictions.predictions:predictions",
        "Count, export, prune or erase the recorded predictions.",
    ),
    "feedback": ("tiltyard.cli.labels.feedback:feedback", "Bring labels for recorded predictions, and count them."),
    "label": (
        "tiltyard.cli.labels.label:label",
        "Choose the predictions most worth labelling, and read the labels back.",
    ),
    "monitor": ("tiltyard.cli.monitoring.monitor:monitor", "Look at the champion once: drift, performance, service."),
    "report": (
        "tiltyard.cli.monitoring.report:report",
        "Write a report on the last days: HTML or Markdown, with plots.",
    ),
    "console": (
        "tiltyard.cli.monitoring.console:console",
        "Open the console: versions, metrics and predictions as pages.",
    ),
    "keys": ("tiltyard.cli.host.keys:keys", "Make keys: those that sign versions, and those that the server asks for."),
    "up": ("tiltyard.cli.loop.up:up", "Serve the champion, show the console, and close the loop on a schedule."),
    "loop": (
        "tiltyard.cli.loop.loop:loop",
        "Look at the champion on a schedule, respond to what is found, and deliver notices.",
    ),
    "retrain": (
        "tiltyard.cli.training.retrain:retrain",
        "Train a version with the labels of production; it becomes champion if it wins.",
    ),
    "alerts": (
        "tiltyard.cli.monitoring.alerts:alerts",
        "List the alerts that last: what happened, what was done, what to do.",
    ),
    "prefect": ("tiltyard.cli.loop.prefect:prefect", "Run the project by a Prefect server: scheduled deployments."),
    "outbox": ("tiltyard.cli.loop.outbox:outbox", "List, send or retry what is to leave the house."),
    "doctor": ("tiltyard.cli.host.doctor:doctor", "Say what is installed, where things live, and what is wrong."),
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """All command names, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import a command; None if there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        module, attribute = COMMANDS[cmd_name][0].split(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, with a suggestion for a misspelt one."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            raise UsageError(
                f"There is no command '{args[0]}'.{nearest(args[0], COMMANDS)}",
                next_step="See: tiltyard --help",
            )
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 done, 1 failed, 2 usage, 3 answered 'no' (not promoted, a limit broken).",
)
@click.version_option(__version__, prog_name="tiltyard")
def cli() -> None:
    """Keep a scikit-learn model alive in production: train, compare, promote on evidence, serve, record, watch."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave the process with its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    as_json = "--json" in words
    try:
        code = cli.main(args=words, prog_name="tiltyard", standalone_mode=False)
    except TiltyardError as error:
        _report(error.to_dict(), as_json=as_json)
        code = EXIT_USAGE if isinstance(error, UsageError) else EXIT_FAILED
    except click.ClickException as error:
        step = f"See: {error.ctx.command_path} --help" if isinstance(error, click.UsageError) and error.ctx else ""
        _report({"code": "usage", "message": error.format_message(), "next_step": step}, as_json=as_json)
        code = EXIT_USAGE
    except (KeyboardInterrupt, click.Abort):
        code = 130
    except BrokenPipeError:
        # The reader of a pipe (head, less) went away; there is nobody left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = EXIT_DONE
    except Exception as error:  # noqa: BLE001 - the last line of defence: no traceback reaches a user
        _report(_unexpected(error), as_json=as_json)
        code = EXIT_FAILED
    sys.exit(code if isinstance(code, int) else EXIT_DONE)


def _report(problem: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"error": problem}, default=str, ensure_ascii=False))
        return
    click.echo(click.style("error: ", fg="red", bold=True) + escape_control(str(problem["message"])), err=True)
    if problem.get("next_step"):
        click.echo(click.style(" next: ", fg="cyan", bold=True) + escape_control(str(problem["next_step"])), err=True)


def _unexpected(error: Exception) -> dict[str, Any]:
    with tempfile.NamedTemporaryFile("w", prefix="tiltyard-", suffix=".log", delete=False, encoding="utf-8") as log:
        log.write(without_passwords("".join(traceback.format_exception(error))))
    return {
        "code": "unexpected",
        "message": f"Something failed that should not have: {type(error).__name__}: {without_passwords(str(error))}",
        "next_step": f"Please report it with the details in {log.name}.",
        "log": log.name,
    }
