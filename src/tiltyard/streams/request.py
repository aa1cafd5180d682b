"""What a stream process reads and writes, as the project file or a command says it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tiltyard.errors import UsageError
from tiltyard.project import Project
from tiltyard.project.serving import StreamSection
from tiltyard.streams.address import DEAD_LETTERS, ON_A_COMMAND_LINE, StreamAddress, parse_address
from tiltyard.suggest import nearest

IN_A_PROJECT = "A project file is kept with the code, where everybody can read it."


@dataclass(frozen=True, slots=True)
class StreamRequest:
    """What a stream process reads and writes.

    Attributes:
        source: where the messages come from.
        target: where the results go.
        dead_letters: where messages go that cannot be predicted.
        group: the group of consumers.
        labels: where labels come from; None for none.
        label_dead_letters: where labels go that cannot be recorded.
        batch: most messages that are taken, scored and recorded at once.
        hold_seconds: after so long without word from a consumer, its messages go to another one.
        host: where health and metrics are served.
        port: on which port; 0 for any free one.
        wait: whether a broker that is away at the start is waited for.
    """

    source: StreamAddress
    target: StreamAddress
    dead_letters: StreamAddress
    group: str
    labels: StreamAddress | None = None
    label_dead_letters: StreamAddress | None = None
    batch: int = 500
    hold_seconds: float = 30.0
    host: str = "127.0.0.1"
    port: int = 0
    wait: bool = False

    @property
    def label_group(self) -> str:
        """The group of those that read labels: a consumer of NATS, which a group is there, reads one subject."""
        return f"{self.group}-labels"

    @property
    def addresses(self) -> Mapping[str, StreamAddress]:
        """All streams by what they are for."""
        found = {"source": self.source, "target": self.target, "dead letters": self.dead_letters}
        if self.labels is not None and self.label_dead_letters is not None:
            found |= {"labels": self.labels, "dead letters of labels": self.label_dead_letters}
        return found


def find_stream(project: Project, name: str | None) -> str:
    """The stream of the project file that is meant: the one of that name, or the only one.

    Raises:
        UsageError: there is no such stream, or none is named and there is not one alone.
    """
    known = list(project.stream)
    if name is None and len(known) == 1:
        return known[0]
    if name is not None and name in project.stream:
        return name
    if name is None and not known:
        raise UsageError(
            "No stream is given, and the project file describes none.",
            next_step="Name its streams: tiltyard stream --from ADDRESS --to ADDRESS, or add [stream.NAME].",
            code="stream.unknown",
        )
    listed = ", ".join(known) or "none"
    if name is None:
        message, hint = f"The project file describes the streams {listed}.", ""
    else:
        message, hint = f"The project file describes no stream '{name}' (it has: {listed}).", nearest(name, known)
    raise UsageError(
        f"{message}{hint}",
        next_step="Name one of them: tiltyard stream NAME"
        if known
        else "Add it: [stream.NAME] with source and target.",
        code="stream.unknown",
    )


def read_stream(project: Project, name: str) -> StreamRequest:
    """What the stream of that name reads and writes.

    Raises:
        UsageError: there is none, or one of its addresses cannot be used.
        DataError: an address holds a password, or a variable that is not set.
    """
    section = project.stream[find_stream(project, name)]
    return make_request(project, section, lambda key: f"stream.{name}.{key}", f"-{name}", IN_A_PROJECT)


def make_request(
    project: Project,
    section: StreamSection,
    title: Callable[[str], str],
    group_ending: str = "",
    seen: str = ON_A_COMMAND_LINE,
) -> StreamRequest:
    """What a stream process reads and writes.

    Args:
        project: the project.
        section: what is said of the stream.
        title: what a key of it is called, for errors.
        group_ending: what stands behind the model's name in the default name of the group.
        seen: why a password must not stand in an address, as a sentence; default: that of a command line.

    Raises:
        UsageError: an address cannot be used, or two of them are one.
        DataError: an address holds a password, or a variable that is not set.
    """

    def read(key: str, text: str) -> StreamAddress:
        return parse_address(text, title(key), project.root, seen)

    source, target = read("source", section.source), read("target", section.target)
    dead = (
        source.same_place(f"{source.name}{DEAD_LETTERS}")
        if section.dead_letters is None
        else read("dead_letters", section.dead_letters)
    )
    labels = None if section.labels is None else read("labels", section.labels)
    label_dead = None if labels is None else labels.same_place(f"{labels.name}{DEAD_LETTERS}")
    request = StreamRequest(
        source=source,
        target=target,
        dead_letters=dead,
        group=section.group or f"tiltyard-{project.model_name}{group_ending}",
        labels=labels,
        label_dead_letters=label_dead,
        batch=section.batch,
        hold_seconds=section.hold_seconds,
        host=section.host,
        port=section.port,
    )
    _refuse_loops(request, title)
    return request


def _refuse_loops(request: StreamRequest, title: Callable[[str], str]) -> None:
    """Refuse what is read to be written to as well: its own results would come back."""
    read = {"source": request.source} | ({"labels": request.labels} if request.labels else {})
    written = {"target": request.target, "dead_letters": request.dead_letters}
    if request.label_dead_letters:
        written["labels"] = request.label_dead_letters
    places = {(one.identity, one.servers): key for key, one in read.items()}
    if len(places) < len(read):
        raise UsageError(
            f"{title('labels')} is {read['labels'].shown}, which is the stream of the messages too.",
            next_step="Name another stream of labels.",
            code="stream.loop",
        )
    for key, one in written.items():
        met = places.get((one.identity, one.servers))
        if met is not None:
            raise UsageError(
                f"{title(key)} is {one.shown}, which is the stream that is read: its own results would come back.",
                next_step=f"Name another {one.kind.stream} with {title(key)}.",
                code="stream.loop",
            )
    if (request.target.identity, request.target.servers) == (
        request.dead_letters.identity,
        request.dead_letters.servers,
    ):
        raise UsageError(
            f"{title('dead_letters')} is {request.target.shown}, which is the stream of the results too.",
            next_step="Name another stream for what cannot be predicted.",
            code="stream.loop",
        )
