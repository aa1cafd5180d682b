"""The program ``tiltyard``: finds the command, and turns errors into messages and exit codes."""

from __future__ import annotations

import errno
import importlib
import json
import os
import sys
import tempfile
import traceback
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from tiltyard._version import __version__
from tiltyard.cli.escape import escape_control
from tiltyard.errors import TiltyardError, UsageError
from tiltyard.formatting import format_count
from tiltyard.redact import without_passwords
from tiltyard.suggest import nearest

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_NO = 3
EXIT_STOPPED = 130  # as a shell says it of a program that Ctrl-C has ended

_LONGEST_NAME = 200
"""Characters of a file's name that an error shows."""
_OF_A_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EFBIG}
"""What a write says of its disk; Python does not name the file."""

# The place of each command, and its line in the help. A module is imported only when its command runs, so that the help
# appears at once; a test compares these lines with the commands' docstrings.
COMMANDS: dict[str, tuple[str, str]] = {
    "init": ("tiltyard.cli.data.init:init_command", "Write a commented tiltyard.toml for a data file."),
    "data": (
        "tiltyard.cli.data.group:data_group",
        "Take, list and prune snapshots of a project's rows, or fetch a public corpus.",
    ),
    "validate": (
        "tiltyard.cli.data.validate:validate_command",
        "Check the data against the project's limits, and write a report.",
    ),
    "train": (
        "tiltyard.cli.training.train:train_command",
        "Train a version and register it; with --champion, promote it if it wins.",
    ),
    "adopt": (
        "tiltyard.cli.versions.adopt:adopt_command",
        "Make a version of a model that was fitted elsewhere: a file, or what MLflow has.",
    ),
    "evaluate": (
        "tiltyard.cli.training.evaluate:evaluate_command",
        "Evaluate a version on the current test rows: metrics, slices and fairness.",
    ),
    "model-info": ("tiltyard.cli.versions.model_info:model_info_command", "Show the champion, or another version."),
    "list-versions": (
        "tiltyard.cli.versions.list_versions:list_versions_command",
        "List all versions with their aliases, stages and metrics.",
    ),
    "set-alias": (
        "tiltyard.cli.versions.set_alias:set_alias_command",
        "Point an alias at a version by hand, without gates.",
    ),
    "promote": (
        "tiltyard.cli.decisions.promote:promote_command",
        "Run the gates for a registered version; it becomes champion if it passes.",
    ),
    "approve": (
        "tiltyard.cli.decisions.approve:approve_command",
        "Approve a version that passed the gates; without a version, list the pending ones.",
    ),
    "challenge": (
        "tiltyard.cli.decisions.challenge:challenge_command",
        "Evaluate the live A/B test of champion and challenger on the labels so far.",
    ),
    "rollback": (
        "tiltyard.cli.decisions.rollback:rollback_command",
        "Make the previous version champion again, or another one.",
    ),
    "archive": (
        "tiltyard.cli.decisions.archive:archive_command",
        "Archive a version that is not to serve any more: its aliases go, its files and its history stay.",
    ),
    "history": (
        "tiltyard.cli.decisions.history:history_command",
        "List the decisions about a model, oldest first; --json lists every event.",
    ),
    "export": (
        "tiltyard.cli.versions.export:export_version_command",
        "Write a version as pickles: PROJECT_model.pkl, PROJECT_model_vectorizer.pkl and metrics.json.",
    ),
    "runs": (
        "tiltyard.cli.training.runs:runs_command",
        "List, search and compare the runs of the project's experiment.",
    ),
    "predict": (
        "tiltyard.cli.predictions.predict:predict_command",
        "Predict texts or rows with the champion, without a server.",
    ),
    "score": (
        "tiltyard.cli.predictions.score:score_command",
        "Score a whole table: files, a folder, URLs or a database, whatever their size.",
    ),
    "serve": (
        "tiltyard.cli.predictions.serve:serve_command",
        "Serve the champion over HTTP and record every prediction.",
    ),
    "stream": (
        "tiltyard.cli.predictions.stream:stream_command",
        "Predict the messages of Kafka, NATS JetStream, Redis Streams or RabbitMQ, and publish the results.",
    ),
    "predictions": (
        "tiltyard.cli.predictions.group:predictions_group",
        "Count, export, prune or erase the recorded predictions.",
    ),
    "feedback": (
        "tiltyard.cli.labels.feedback:feedback_group",
        "Import labels for recorded predictions, list and count them.",
    ),
    "label": (
        "tiltyard.cli.labels.queue:label_group",
        "Choose the predictions most worth labelling, give labels one by one, and import them.",
    ),
    "monitor": (
        "tiltyard.cli.monitoring.monitor:monitor_command",
        "Monitor the champion once: drift, performance, service.",
    ),
    "report": (
        "tiltyard.cli.monitoring.report:report_command",
        "Write a report on the last days: HTML or Markdown, with plots.",
    ),
    "console": (
        "tiltyard.cli.monitoring.console:console_command",
        "Open the console: versions, metrics and predictions as pages, and the decisions about them.",
    ),
    "mcp": (
        "tiltyard.cli.monitoring.mcp:mcp_command",
        "Let an assistant read what is known of the model, by the Model Context Protocol on standard input and output.",
    ),
    "keys": ("tiltyard.cli.host.keys:keys_group", "Create keys: to sign versions, and API keys for the server."),
    "up": (
        "tiltyard.cli.loop.up:up_command",
        "Run the server, the console, the control loop and the streams of the project file together.",
    ),
    "loop": (
        "tiltyard.cli.loop.run:loop_command",
        "Monitor the champion on a schedule, act on findings, and send notifications.",
    ),
    "retrain": (
        "tiltyard.cli.training.retrain:retrain_command",
        "Train a version with the labels from production; it becomes champion if it wins.",
    ),
    "alerts": (
        "tiltyard.cli.monitoring.alerts:alerts_group",
        "List the open alerts: what happened, what was done, what to do.",
    ),
    "prefect": (
        "tiltyard.cli.loop.prefect:prefect_group",
        "Deploy the project's flows to a Prefect server, on a schedule.",
    ),
    "operator": (
        "tiltyard.cli.loop.operator:operator_command",
        "Keep projects on a Kubernetes cluster as resources of the kind TiltyardModel say.",
    ),
    "outbox": ("tiltyard.cli.loop.outbox:outbox_group", "List, send or retry pending notifications."),
    "backup": (
        "tiltyard.cli.host.backup:backup_command",
        "Copy ledger, registry, artifacts, keys and .env into a new folder, while the project serves.",
    ),
    "restore": (
        "tiltyard.cli.host.backup:restore_command",
        "Put a backup in place where nothing is yet, and check what is there then.",
    ),
    "doctor": (
        "tiltyard.cli.host.doctor:doctor_command",
        "Check the installation, the stores and the champion, and name the fix for each problem.",
    ),
}


_UNCONFIRMED = UsageError(
    "The command asks for a confirmation, and got none; nothing was done.",
    next_step="Confirm on a terminal, or add --yes.",
    code="usage.unconfirmed",
)


class _ReaderGone(Exception):  # noqa: N818 - no error of the command
    """The reader of the pipe (head, less) has gone."""


class LazyGroup(click.Group):
    """A group whose commands are imported when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """All command names, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import a command; None if the name is unknown."""
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

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; click would end it as failed where the reader of a pipe has gone."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise _ReaderGone from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 done, 1 failed, 2 usage, 3 negative result (not promoted, a limit broken, an alert open), "
    "130 stopped by Ctrl-C.",
)
@click.version_option(__version__, prog_name="tiltyard")
def cli() -> None:
    """Keep a scikit-learn model alive in production: train, compare, promote on evidence, serve, record, monitor."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and end the process with its exit code."""
    _open_closed_streams()
    words = list(sys.argv[1:] if arguments is None else arguments)
    as_json = "--json" in words
    try:
        code = cli.main(args=words, prog_name="tiltyard", standalone_mode=False)
    except TiltyardError as error:
        _print_error(error.to_dict(), as_json=as_json)
        code = EXIT_USAGE if isinstance(error, UsageError) else EXIT_FAILED
    except click.exceptions.NoArgsIsHelpError as error:
        # Who types the program's name alone asks what there is; a group without its command is incomplete.
        is_program = error.ctx is None or error.ctx.parent is None
        click.echo(error.message, err=not is_program)
        code = EXIT_DONE if is_program else EXIT_USAGE
    except click.ClickException as error:
        step = f"See: {error.ctx.command_path} --help" if isinstance(error, click.UsageError) and error.ctx else ""
        _print_error({"code": "usage", "message": error.format_message(), "next_step": step}, as_json=as_json)
        code = EXIT_USAGE
    except click.Abort as error:
        # click makes an Abort of Ctrl-C too, and of a prompt without a response.
        stopped = isinstance(error.__cause__, KeyboardInterrupt) or sys.stdin.isatty()
        code = EXIT_STOPPED if stopped else EXIT_USAGE
        if not stopped:
            _print_error(_UNCONFIRMED.to_dict(), as_json=as_json)
    except KeyboardInterrupt:
        code = EXIT_STOPPED
    except (_ReaderGone, BrokenPipeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = EXIT_DONE
    except Exception as error:  # noqa: BLE001 - no traceback reaches a user
        _print_error(_describe_file(error) or _describe_unexpected(error), as_json=as_json)
        code = EXIT_FAILED
    sys.exit(code if isinstance(code, int) else EXIT_DONE)


def _open_closed_streams() -> None:
    """Give the process the streams that its caller has closed (`>&-`): what is written goes nowhere."""
    # They stay open as long as the process runs.
    sys.stdin = sys.stdin or Path(os.devnull).open(encoding="utf-8")  # noqa: SIM115
    sys.stdout = sys.stdout or Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
    sys.stderr = sys.stderr or Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115


def _print_error(problem: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        # Where standard output itself is what cannot be written, the error goes to the other stream.
        with suppress(OSError):
            click.echo(json.dumps({"error": problem}, default=str, ensure_ascii=False))
            return
    click.echo(click.style("error: ", fg="red", bold=True) + escape_control(str(problem["message"])), err=True)
    if problem.get("next_step"):
        click.echo(click.style(" next: ", fg="cyan", bold=True) + escape_control(str(problem["next_step"])), err=True)


def _describe_file(error: Exception) -> dict[str, Any] | None:
    """What the operating system said about a file that a user named, or that is in a folder of theirs."""
    if not isinstance(error, OSError) or error.errno is None:
        return None
    if isinstance(error.filename, str | bytes):
        name = os.fsdecode(error.filename)
        shown = (
            name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}… ({format_count(len(name), 'character')})"
        )
    elif error.errno in _OF_A_DISK:
        shown = "The output or a file"
    else:
        return None
    return TiltyardError(
        f"{shown} cannot be used: {os.strerror(error.errno)}.",
        next_step="Correct the path, or what is at it: its kind, its permissions, the space on its disk.",
        code="file.unusable",
    ).to_dict()


def _describe_unexpected(error: Exception) -> dict[str, Any]:
    with tempfile.NamedTemporaryFile("w", prefix="tiltyard-", suffix=".log", delete=False, encoding="utf-8") as log:
        log.write(without_passwords("".join(traceback.format_exception(error))))
    return {
        "code": "unexpected",
        "message": f"Unexpected error: {type(error).__name__}: {without_passwords(str(error))}",
        "next_step": f"Please report it, with the details in {log.name}.",
        "log": log.name,
    }
