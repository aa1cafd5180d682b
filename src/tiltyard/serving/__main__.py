"""``python -m tiltyard.serving --model-name NAME``: a registered model over HTTP, without a project file."""

from __future__ import annotations

import sys

import click

from tiltyard.aliases import STAGES
from tiltyard.errors import TiltyardError, UsageError
from tiltyard.project import ServingSection, find_project_of
from tiltyard.serving.server import ModelServer
from tiltyard.serving.telemetry.logs import set_up_logs
from tiltyard.settings import Settings

# As the curl examples of the requirements have it.
MODULE_PORT = 5000


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--model-name", required=True, help="Name of the registered model.")
@click.option(
    "--model-stage",
    default="Production",
    show_default=True,
    help=f"{' or '.join(STAGES)} in any case, or any alias.",
)
@click.option("--host", default=None, help="Address to listen on.  [default: the project's, or 127.0.0.1]")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=None, help="Port; 0 for any.  [default: the project's, or 5000]"
)
@click.option(
    "--insecure-open", is_flag=True, help="Accept requests from everybody who reaches the address, without API keys."
)
def serve(model_name: str, model_stage: str, host: str | None, port: int | None, insecure_open: bool) -> None:
    """Serve a registered model over HTTP and record every prediction, in one process.

    A project file here or above is used if it is about this model. The environment says where registry and ledger
    are, as for every command of tiltyard.
    """
    project = find_project_of(model_name)
    options = project.serving if project else ServingSection()
    stated = options.port if "port" in options.model_fields_set else MODULE_PORT
    overrides = {"host": host, "port": stated if port is None else port}
    options = options.model_copy(update={name: value for name, value in overrides.items() if value is not None})
    set_up_logs(Settings.load(project.root if project else None).log or options.log)
    server = ModelServer(
        model_name, model_stage, options.port, options=options, project=project, insecure_open=insecure_open
    )
    server.run(lambda address: click.echo(server.describe(address)))


def main() -> None:
    """Run it, and leave the process with an exit code: 0 done, 1 failed, 2 usage."""
    try:
        serve.main(standalone_mode=False)
    except TiltyardError as error:
        click.echo(f"error: {error.message}\n next: {error.next_step}", err=True)
        sys.exit(2 if isinstance(error, UsageError) else 1)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.exceptions.Abort:
        sys.exit(130)


if __name__ == "__main__":
    main()
