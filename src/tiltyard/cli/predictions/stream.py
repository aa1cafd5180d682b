"""``tiltyard stream``: predict the messages of a broker."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tiltyard.cli.options import Number, Words, json_option, model_option, project_option
from tiltyard.cli.output import console, print_json, print_line, print_pairs
from tiltyard.cli.versions.find_project import find_project
from tiltyard.errors import UsageError

if TYPE_CHECKING:
    from tiltyard.project import Project
    from tiltyard.serving.process.sockets import Address
    from tiltyard.streams.request import StreamRequest

_OPTIONS = {"source": "--from", "target": "--to", "dead_letters": "--dead-letters", "labels": "--labels"}


@click.command()
@click.argument("name", required=False, default=None)
@click.option("--from", "source", default=None, help="The stream to read, such as kafka://HOST:9092/TOPIC.")
@click.option("--to", "target", default=None, help="The stream of the results.")
@project_option
@model_option
@click.option("--group", type=Words(), default=None, help="Group of consumers.  [default: tiltyard-MODEL]")
@click.option("--dead-letters", default=None, help="The stream of messages that cannot be predicted.")
@click.option("--labels", default=None, help="A stream of labels, as POST /feedback takes them.")
@click.option("--batch", type=click.IntRange(1, 10_000), default=None, help="Most messages at once.  [default: 500]")
@click.option(
    "--hold",
    type=Number(min=1, max=3600),
    default=None,
    help="Seconds that a broker waits for a consumer that is gone.  [default: 30]",
)
@click.option("--host", default=None, help="Address of /health and /metrics.  [default: 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), default=None, help="Their port.  [default: any free one]")
@click.option("--wait", is_flag=True, help="Wait for a broker that is away at the start, instead of ending.")
@json_option
def stream_command(
    name: str | None,
    source: str | None,
    target: str | None,
    project_path: Path | None,
    model_name: str | None,
    group: str | None,
    dead_letters: str | None,
    labels: str | None,
    batch: int | None,
    hold: float | None,
    host: str | None,
    port: int | None,
    wait: bool,
    as_json: bool,
) -> None:
    """Predict the messages of Kafka, NATS JetStream, Redis Streams or RabbitMQ, and publish the results.

    NAME is a stream of the project file, [stream.NAME]; it may be left out where there is one alone. Without one,
    --from and --to name the streams.

    A message is what POST /predict takes. Its prediction is recorded before its result is published, and the message is
    confirmed after both. One that comes again is recognised. One that cannot be predicted goes to the dead letters
    with the reason: by default to the stream of the same name with .dead-letters behind it.
    """
    from tiltyard import wiring
    from tiltyard.serving.telemetry.logs import set_up_logs
    from tiltyard.streams.run import run_stream

    project = find_project(project_path, model_name)
    settings = wiring.load_settings(project)
    set_up_logs(settings.log or project.serving.log)
    said = {"source": source, "target": target, "group": group, "dead_letters": dead_letters, "labels": labels}
    how: dict[str, Any] = {"batch": batch, "hold_seconds": hold, "host": host, "port": port}
    request = _read_request(project, name, {key: value for key, value in said.items() if value is not None})
    request = replace(request, wait=wait, **{key: value for key, value in how.items() if value is not None})
    run_stream(project, settings, request, lambda address: _announce(project, request, address, as_json=as_json))


def _read_request(project: Project, name: str | None, said: dict[str, Any]) -> StreamRequest:
    """The streams that are named by options, or those of the project file."""
    from tiltyard.project.serving import StreamSection
    from tiltyard.streams.request import find_stream, make_request, read_stream

    if name is None and ("source" in said or "target" in said):
        for key in ("source", "target"):
            if key not in said:
                raise UsageError(
                    f"No {_OPTIONS[key]} is given.",
                    next_step="Name both streams: tiltyard stream --from ADDRESS --to ADDRESS",
                )
        return make_request(project, StreamSection(**said), lambda key: _OPTIONS[key])
    found = find_stream(project, name)
    for key in said:
        raise UsageError(
            f"{_OPTIONS.get(key, '--' + key)} is given, and [stream.{found}] of the project file says it.",
            next_step="Leave the option out, or change the project file.",
        )
    return read_stream(project, found)


def _announce(project: Project, request: StreamRequest, address: Address, *, as_json: bool) -> None:
    health, metrics = f"{address.url}/health", f"{address.url}/metrics"
    read, written = request.source.shown, request.target.shown
    if as_json:
        print_json({"from": read, "to": written, "url": address.url, "health": health, "metrics": metrics})
        return
    print_line("Predicting with [bold]{}[/bold]", project.model_name)
    streams = [(key, one.shown) for key, one in request.addresses.items()]
    print_pairs([*streams, ("group", request.group), ("health", health), ("metrics", metrics)])
    console.print("Press Ctrl-C to stop.")
