"""``tiltyard stream``: predict the messages of a broker."""

from __future__ import annotations

from pathlib import Path

import click

from tiltyard import wiring
from tiltyard.cli.options import Number, Words, json_option, model_option, project_option
from tiltyard.cli.output import console, print_json, print_line, print_pairs
from tiltyard.cli.versions.find_project import find_project
from tiltyard.errors import UsageError
from tiltyard.serving.process.sockets import Address
from tiltyard.serving.telemetry.logs import set_up_logs
from tiltyard.streams.address import DEAD_LETTERS, StreamAddress, parse_address
from tiltyard.streams.consumer import HOLD_SECONDS, MOST_AT_ONCE
from tiltyard.streams.run import StreamRequest, run_stream


@click.command()
@click.option("--from", "source", required=True, help="The stream to read, such as kafka://HOST:9092/TOPIC.")
@click.option("--to", "target", required=True, help="The stream of the results.")
@project_option
@model_option
@click.option("--group", type=Words(), default=None, help="Group of consumers.  [default: tiltyard-MODEL]")
@click.option("--dead-letters", default=None, help="The stream of messages that cannot be predicted.")
@click.option("--labels", default=None, help="A stream of labels, as POST /feedback takes them.")
@click.option(
    "--batch", type=click.IntRange(1, 10_000), default=MOST_AT_ONCE, show_default=True, help="Most messages at once."
)
@click.option(
    "--hold",
    type=Number(min=1, max=3600),
    default=HOLD_SECONDS,
    show_default=True,
    help="Seconds that a broker waits for a consumer that is gone.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address of /health and /metrics.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Their port.  [default: any free one]")
@json_option
def stream_command(
    source: str,
    target: str,
    project_path: Path | None,
    model_name: str | None,
    group: str | None,
    dead_letters: str | None,
    labels: str | None,
    batch: int,
    hold: float,
    host: str,
    port: int,
    as_json: bool,
) -> None:
    """Predict the messages of Kafka, NATS JetStream, Redis Streams or RabbitMQ, and publish the results.

    A message is what POST /predict takes. Its prediction is recorded before its result is published, and the message is
    confirmed after both. One that comes again is recognised. One that cannot be predicted goes to the dead letters
    with the reason: by default to the stream of the same name with .dead-letters behind it.
    """
    project = find_project(project_path, model_name)
    settings = wiring.load_settings(project)
    set_up_logs(settings.log or project.serving.log)
    read = parse_address(source, "--from", project.root)
    written = parse_address(target, "--to", project.root)
    dead = (
        read.same_place(f"{read.name}{DEAD_LETTERS}")
        if dead_letters is None
        else parse_address(dead_letters, "--dead-letters", project.root)
    )
    truth = None if labels is None else parse_address(labels, "--labels", project.root)
    _refuse_loops(read, {"--to": written, "--dead-letters": dead} | ({"--labels": truth} if truth else {}))
    request = StreamRequest(
        source=read,
        target=written,
        dead_letters=dead,
        group=group or f"tiltyard-{project.model_name}",
        labels=truth,
        label_dead_letters=None if truth is None else truth.same_place(f"{truth.name}{DEAD_LETTERS}"),
        batch=batch,
        hold_seconds=hold,
        host=host,
        port=port,
    )

    def announce(address: Address) -> None:
        if as_json:
            health, metrics = f"{address.url}/health", f"{address.url}/metrics"
            print_json({"from": read.shown, "to": written.shown, "health": health, "metrics": metrics})
            return
        print_line("Predicting with [bold]{}[/bold]", project.model_name)
        print_pairs(
            [
                ("from", read.shown),
                ("to", written.shown),
                ("dead letters", dead.shown),
                *([("labels", truth.shown)] if truth is not None else []),
                ("group", request.group),
                ("health", f"{address.url}/health"),
                ("metrics", f"{address.url}/metrics"),
            ]
        )
        console.print("Press Ctrl-C to stop.")

    run_stream(project, settings, request, announce)


def _refuse_loops(read: StreamAddress, written: dict[str, StreamAddress]) -> None:
    for option, one in written.items():
        if (one.identity, one.servers) == (read.identity, read.servers):
            raise UsageError(
                f"{option} is {one.shown}, which is the stream that is read: its own results would come back.",
                next_step=f"Name another {one.kind.stream} with {option}.",
                code="stream.loop",
            )
