"""The labelling queue: predictions whose label was requested, how many have come, and from whom."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from tiltyard.data.conform.labels import order_classes
from tiltyard.ledger import RANDOM, Label, LabelRequest, Ledger, Prediction
from tiltyard.ledger.arrivals import is_redacted


@dataclass(frozen=True)
class QueuedCandidate:
    """A prediction whose label was requested, and the request."""

    prediction: Prediction
    request: LabelRequest


@dataclass(frozen=True)
class QueueProgress:
    """The labelling queue of a model, and how far the labelling is.

    Attributes:
        waiting: the next predictions without a label, of the newest queue first.
        requested: predictions whose label was requested, ever.
        labelled: those among them that have a label.
        by_source: labels of requested predictions, by who gave them, the most first.
        random_requested: predictions that were drawn at random.
        random_labelled: those among them that have a label.
        classes: what a label may be; empty where numbers are predicted, or where no prediction is known.
    """

    waiting: tuple[QueuedCandidate, ...]
    requested: int
    labelled: int
    by_source: Mapping[str, int]
    random_requested: int
    random_labelled: int
    classes: tuple[str, ...]


def read_labelling_queue(ledger: Ledger, model_name: str, size: int) -> QueueProgress:
    """The requested labels that have not come, and how many have.

    The requests of all queues count; a prediction that several queues chose is listed once. Random ones and hard ones
    take turns as in their queue, so that who labels only the first keeps the random share.

    Args:
        ledger: where requests and labels are.
        model_name: the registered model.
        size: most predictions to list.

    Raises:
        UnavailableError: the ledger is away.
    """
    requests: dict[str, LabelRequest] = {}
    for request in ledger.label_requests.select(model_name=model_name):
        # The newest queue decides; a random request goes before another one.
        before = requests.get(request.prediction_id)
        if before is None or before.reason != RANDOM or request.reason == RANDOM:
            requests[request.prediction_id] = request
    labels = {label.prediction_id: label for label in ledger.labels(model_name=model_name, requested=True)}
    labelled = [id_ for id_ in requests if id_ in labels]
    drawn = [id_ for id_, request in requests.items() if request.reason == RANDOM]
    newest = next(iter(ledger.predictions(project=model_name, shadow=False, limit=1, newest_first=True)), None)
    is_class = newest is not None and newest.confidence is not None
    return QueueProgress(
        waiting=tuple(_list_waiting(ledger, requests, labels, size)),
        requested=len(requests),
        labelled=len(labelled),
        by_source=dict(Counter(labels[id_].source for id_ in labelled).most_common()),
        random_requested=len(drawn),
        random_labelled=sum(id_ in labels for id_ in drawn),
        classes=tuple(order_classes(list(newest.probabilities))) if newest is not None and is_class else (),
    )


def _list_waiting(
    ledger: Ledger, requests: Mapping[str, LabelRequest], labels: Mapping[str, Label], size: int
) -> list[QueuedCandidate]:
    """The next ones: of the newest queue first, random and hard ones spread evenly."""
    open_requests = [request for id_, request in requests.items() if id_ not in labels]
    places: list[tuple[float, float, LabelRequest]] = []
    for queue in {request.queue_id for request in open_requests}:
        own = [request for request in open_requests if request.queue_id == queue]
        for is_random in (True, False):
            some = [request for request in own if (request.reason == RANDOM) == is_random]
            places += [(-request.at.timestamp(), (n + 1) / len(some), request) for n, request in enumerate(some)]
    places.sort(key=lambda place: (place[0], place[1], place[2].prediction_id))
    found: list[QueuedCandidate] = []
    for _, _, request in places:
        if len(found) >= size:
            break
        prediction = ledger.prediction(request.prediction_id)
        if prediction is not None and not is_redacted(prediction.input):
            found.append(QueuedCandidate(prediction, request))
    return found
