"""A careless user: each argument and option of each command once as something that it cannot be."""

from __future__ import annotations

import importlib
import json
import os
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from tests.films import Films, make_films
from tiltyard.cli.main import COMMANDS

# What a call gives wrong is in the message: the value, or the name of the option. Each line is one call.
WRONG = """
init missing.csv
init folder
init empty.csv
init binary.csv
init ''
init LONG
init reviews.csv --name 'a/b'
init reviews.csv --name ''
init reviews.csv --model-name ''
init reviews.csv --label lable
init reviews.csv --text txt
init reviews.csv --task clasification
init reviews.csv --positive postive
init reviews.csv --metric acuracy
init reviews.csv --ignore sorce
init reviews.csv --keep sorce
init reviews.csv --time tme
init reviews.csv --group grp
init reviews.csv --sensitive sx
init reviews.csv --format xml
init reviews.csv --encoding utf-9
init reviews.csv --sep ''
init reviews.csv --decimal ';'
init reviews.csv --date-order sideways
init reviews.csv --sheet First
init reviews.csv --output folder
init reviews.csv --output missing/LONG
data fetch imbd
data fetch imdb --url nowhere
data snapshot --to reviews.csv
data snapshots --in reviews.csv
data prune --in reviews.csv
data prune --older-than yesterday
validate --data missing.csv
validate --data folder
validate --data empty.csv
validate --data wrong.csv
validate --data reviews.csv --label lable
validate --data reviews.csv --text txt
validate --report folder
validate --against missing.csv
validate --against folder
validate --against empty.csv
validate --source missing.csv
validate --source reviews.csv --workers 0
validate --source reviews.csv --engine spark
validate --source reviews.csv --against reviews.csv
validate --periods x
validate --periods -3
train --candidate tfidf-logrek
train --from-version 99
train --join
train --from-version champoin
adopt missing.joblib
adopt folder
adopt empty.csv
adopt LONG
adopt runs:/nothing/model
adopt models:/nothing/1
adopt reviews.csv --data missing.csv
adopt reviews.csv --trained-on missing.csv
adopt reviews.csv --unpickle-seconds x
adopt reviews.csv --unpickle-gb x
evaluate --version 99
evaluate --version x
evaluate --version ''
evaluate --alias champoin
evaluate --alias ''
evaluate --data missing.csv
evaluate --data wrong.csv
evaluate --data reviews.csv --label lable
evaluate --data reviews.csv --text txt
model-info --version 99
model-info --version x
model-info --alias champoin
model-info --version 1 --alias champion
set-alias --version 99 --alias challenger
set-alias --version x --alias challenger
set-alias --version 1 --alias ''
set-alias --version 1 --alias 'a b'
set-alias --version 1 --alias 7
set-alias --version 1 --alias champion
set-alias --version 1 --alias champion --reason ''
promote 99
promote x
promote ''
promote 1 --data missing.csv
promote 1 --data wrong.csv
promote 1 --data reviews.csv --label lable
promote 1 --data reviews.csv --text txt
promote 1 --force --reason ''
approve 99 --reason why
approve 1 --reason ''
approve 1 --reason why
rollback --reason ''
archive 99 --reason why
archive x --reason why
archive 1 --reason ''
archive 1 --reason why
rollback --to 99 --reason why
rollback --to x --reason why
rollback --reason why
challenge
history --at yesterday
history --anchor folder
history --anchor missing.json
export 99
export x
export 1 --to reviews.csv
runs nothing
runs 1 nothing
runs --filter 'metrics.accuracy >'
runs --limit 0
predict
predict good --version 99
predict good --version x
predict good --alias champoin
predict --file missing.csv
predict --file folder
predict --file empty.csv
predict --file wrong.csv
predict --file binary.csv
predict --file reviews.csv --format xml
predict good --confidence-level x
predict good --confidence-level nan
predict good --confidence-level 2
score nightly
score nightly --if-due
score --if-due --to out.csv
score --list --version 1
score nightly --columns text
retrain --if-due
stream --from reviews --to nats://localhost/scores
stream --from nats://localhost/reviews --to kafak://localhost/scores
stream --from nats://localhost/reviews --to kafka://localhost
stream --from nats://localhost/a.*.b --to nats://localhost/scores
stream --from redis://localhost/reviews?db=x --to redis://localhost/scores
stream --from redis://localhost/reviews?dbb=1 --to redis://localhost/scores
stream --from redis://localhost:x/reviews --to redis://localhost/scores
stream --from redis://a:b@localhost/reviews --to redis://localhost/scores
stream --from 'redis://a:${NO_SUCH_PASSWORD}@localhost/reviews' --to redis://localhost/scores
stream --from redis://localhost/reviews --to redis://localhost/reviews
stream --from redis://localhost/reviews --to redis://localhost/scores --dead-letters redis://localhost/reviews
stream --from redis://localhost/reviews --to redis://localhost/scores --dead-letters nowhere
stream --from redis://localhost/reviews --to redis://localhost/scores --labels redis:localhost
stream --from redis://localhost/reviews --to redis://localhost/scores --group ''
stream --from redis://localhost/reviews --to redis://localhost/scores --batch 0
stream --from redis://localhost/reviews --to redis://localhost/scores --hold 0
stream --from redis://localhost/reviews --to redis://localhost/scores --port 99999
stream --from redis://localhost/reviews --to redis://localhost/scores --host nowhere.invalid
stream --from redis://localhost/reviews --to redis://localhost/scores --model-name nothing
stream --from redis://localhost:1/reviews --to redis://localhost:1/scores
stream
stream nothing
stream --from redis://localhost/reviews
stream --to redis://localhost/scores
stream --from redis://localhost/reviews --to redis://localhost/scores --labels redis://localhost/reviews
stream --from redis://localhost/reviews --to redis://localhost/scores --dead-letters redis://localhost/scores
stream --from 'rediss://localhost/reviews?ca=missing.pem' --to redis://localhost/scores
stream --from 'kafka://localhost/reviews?sasl=md5' --to redis://localhost/scores
score missing.csv --to out.csv
score reviews.csv --to out.csv --confidence-level x
score reviews.csv --to out.csv --confidence-level 2
score empty.csv --to out.csv
score wrong.csv --to out.csv
score binary.csv --to out.csv
score reviews.csv --to out.xyz
score reviews.csv --to out.csv --version 99
score reviews.csv --to out.csv --version ''
score reviews.csv --to out.csv --alias champoin
score reviews.csv --to out.csv --version 1 --alias champion
score reviews.csv --to out.csv --columns txt
score reviews.csv --to out.csv --key kee
score reviews.csv --to out.csv --record some
score reviews.csv --to out.csv --query 'select 1'
score reviews.csv --to out.csv --table rows
score reviews.csv --to out.csv --to-table rows
score reviews.csv --to out.csv --workers 0
score reviews.csv --to out.csv --engine spark
predictions runs --limit 0
serve --host 999.1.1.1
serve --port x
serve --port 99999
serve --workers 0
predictions export --to folder
predictions export --to missing.xyz
predictions export --since yesterday
predictions export --until yesterday
predictions export --since 2024-02-02 --until 2024-01-01
predictions export --version x
predictions prune --days x
predictions prune --days -1
predictions prune --days nan
predictions erase --reason why
predictions erase --key k
predictions erase --key k --reason ''
predictions erase --key '' --reason why
predictions erase --id '' --reason why
predictions erase --containing '' --reason why
predictions set-aside --limit x
predictions set-aside --reason nonsense
feedback list --since yesterday
feedback list --limit 0
feedback import missing.csv
feedback import folder
feedback import empty.csv
feedback import wrong.csv
feedback import labels.csv --id-column idd
feedback import labels.csv --key-column kee --id-column idd
feedback import labels.csv --label-column lable
feedback import labels.csv --at-column when
feedback import labels.csv --timezone Europe/Atlantis
label queue --size 0
label queue --to folder
label queue --to queue.xyz
label queue --uncertain -1
label queue --uncertain nan
label queue --drifted x
label queue --drifted nan
label queue --random -1
label queue --random nan
label queue --days x
label queue --days nan
label queue --days -1
label queue --seed x
label queue --seed -1
label set nothing positive
label set '' positive
label set nothing ''
label undo nothing
alerts acknowledge nothing --reason why
alerts acknowledge drift --reason ''
alerts snooze nothing --for 12h --reason why
alerts snooze drift --for x --reason why
alerts snooze drift --until yesterday --reason why
alerts snooze drift --for 12h --until 2031-01-01 --reason why
alerts snooze drift --reason why
alerts snooze drift --for 12h --reason ''
alerts wake nothing --reason why
alerts wake drift --reason ''
label import missing.csv
label import folder
label import empty.csv
label import wrong.csv
label import labels.csv --id-column idd
label import labels.csv --key-column kee --id-column idd
label import labels.csv --label-column lable
label import labels.csv --at-column when
label import labels.csv --timezone Europe/Atlantis
monitor --until yesterday
report --to folder
report --to report.xyz
report --days x
report --days -1
report --days nan
report --days 1e300
report --until yesterday
console --host 999.1.1.1
console --port x
console --port 99999
keys api new --scope everything
keys api new
keys api new --role boss
keys api new --scope read --name ''
keys api new --scope read --expires yesterday
keys api new --scope read --rate-limit x
keys api new --scope read --rate-limit nan
keys api add nothing
keys api add NOTHING_SET=read
keys api add HOME=everything
keys api revoke nothing
keys api disable
keys generate --to folder
keys generate --to missing/LONG
keys seal 99
keys seal x
up --host 999.1.1.1
up --port x
up --workers 0
up --console-port x
up --loop-port x
loop --port x
loop --port 0 --host 999.1.1.1
loop --host 127.0.0.1
loop --once --port 8010
loop --once --server nowhere
loop --once --server http://127.0.0.1:99999
prefect deploy
prefect deploy --train-every-hours x
prefect deploy --train-every-hours nan
outbox list --state lost
outbox list --limit 0
outbox retry nothing
operator --namespace Films!
operator --every 0
operator --alive missing/folder/alive
operator --render missing.yaml
operator --render binary.csv --definition
backup tiltyard.toml
restore missing
restore folder
"""
CALLS = WRONG.strip().splitlines()
# What may be any text, or only says where something else is recorded.
FREE = {
    *("init --gap", "retrain --reason", "feedback import --source", "label import --source", "prefect deploy --pool"),
    *("label set --source", "label undo --source"),
    *("adopt --label", "adopt --text"),  # they are read with the data, after the model: tests/registry/adoption
    *("data fetch --to",),  # it needs the corpus
}
EVERYWHERE = {"--project", "--model-name", "--help"}
LABELS = "prediction_id,label\n0,positive\n"


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory, fresh_store: Path) -> Films:
    """A project with a champion, next to what careless users name."""
    made = make_films(tmp_path_factory.mktemp("careless"), rows=200, store=fresh_store)
    made.call("train", "--champion", "--accept-data", check=False)
    made.call("set-alias", "--version", "1", "--alias", "champion", "--reason", "to have one")
    (made.root / "folder").mkdir()
    (made.root / "empty.csv").touch()
    (made.root / "binary.csv").write_bytes(bytes(range(256)) * 20)
    (made.root / "wrong.csv").write_text("z,q\n1,2\n3,4\n", encoding="utf-8")
    (made.root / "labels.csv").write_text(LABELS, encoding="utf-8")
    return made


def _leaves(command: click.Command, words: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    if not isinstance(command, click.Group) or command.invoke_without_command:
        yield words, command
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from _leaves(inner, (*words, name))


def _list_leaves() -> dict[tuple[str, ...], click.Command]:
    found: dict[tuple[str, ...], click.Command] = {}
    for name, (place, _) in COMMANDS.items():
        module, attribute = place.split(":")
        found |= dict(_leaves(getattr(importlib.import_module(module), attribute), (name,)))
    return found


LEAVES = _list_leaves()


def read_call(line: str) -> list[str]:
    return [word.replace("LONG", "x" * 5000) for word in shlex.split(line)]


def _read_error(printed: Any) -> dict[str, Any]:
    """The error; of the doctor, the check that fails."""
    if "checks" not in printed:
        return dict(printed["error"])
    wrong = next(check for check in printed["checks"] if check["state"] == "wrong")
    return {"code": wrong["name"], "message": wrong["found"], "next_step": wrong["next_step"]}


def name_fault(films: Films, *words: str) -> str | None:
    """What is wrong with how a call is refused; None where nothing is."""
    shown = " ".join(words)[:120]
    with Path(os.devnull).open(encoding="utf-8") as nothing, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdin", nothing)
        done = films.call(*words, "--json", check=False)
    if done.returncode not in (1, 2):
        return f"{shown}: ended with {done.returncode}: {done.stdout[:300]}"
    try:
        error = _read_error(json.loads(done.stdout))
    except (ValueError, KeyError, TypeError, StopIteration):
        return f"{shown}: no error as JSON: {done.stdout[:300]} {done.stderr[:300]}"
    if error["code"] == "unexpected":
        return f"{shown}: {error['message'][:300]}"
    if not error["next_step"]:
        return f"{shown}: no next step: {error['message'][:300]}"
    if "Traceback" in done.stderr or len(error["message"]) > 1500:
        return f"{shown}: {done.stderr[-300:]} {error['message'][:300]}"
    return None


@pytest.mark.requirement("R-MORE-05")
@pytest.mark.parametrize("leaf", LEAVES, ids=" ".join)
def test_what_an_option_cannot_be_is_refused_with_a_next_step(films: Films, leaf: tuple[str, ...]) -> None:
    """A call with one wrong value is an error of Tiltyard with a next step, as JSON too, with the exit code of one."""
    calls = [words for words in map(read_call, CALLS) if tuple(words[: len(leaf)]) == leaf]
    options = {option for parameter in LEAVES[leaf].params for option in parameter.opts}
    given = [*leaf, *_required(leaf)]
    if "--project" in options:
        calls += [[*given, "--project", wrong] for wrong in ("missing.toml", "binary.csv", "x" * 5000)]
    if "--model-name" in options and leaf != ("init",):
        calls += [[*given, "--model-name", wrong] for wrong in ("", "fimls-classifier", "a\x07☃")]
    assert calls
    faults = [fault for words in calls if (fault := name_fault(films, *words)) is not None]
    assert faults == [], "\n".join(faults)


def _required(leaf: tuple[str, ...]) -> list[str]:
    """Words that a command cannot do without; of a loop, one pass."""
    needed = {"adopt": ["missing.joblib"], "promote": ["1"], "export": ["1"], "predict": ["good"], "loop": ["--once"]}
    needed |= {"set-alias": ["--version", "1", "--alias", "challenger"], "predictions erase": ["--key", "k", "--yes"]}
    needed |= {"feedback import": ["labels.csv"], "label import": ["labels.csv"], "keys api add": ["HOME=read"]}
    needed |= {"score": ["missing.csv", "--to", "out.csv"], "archive": ["1"], "label set": ["id", "positive"]}
    needed |= {"label undo": ["id"], "alerts acknowledge": ["drift"], "alerts wake": ["drift"]}
    needed |= {"alerts snooze": ["drift", "--for", "12h"]}
    needed |= {"keys api new": ["--scope", "read"], "keys api revoke": ["k"], "keys api disable": ["--yes"]}
    words = needed.get(" ".join(leaf), ["1"] if leaf == ("keys", "seal") else [])
    return [*words, "--reason", "why"] if leaf == ("predictions", "erase") else words


@pytest.mark.parametrize("leaf", LEAVES, ids=" ".join)
def test_every_argument_and_option_is_once_wrong(leaf: tuple[str, ...]) -> None:
    """The table of wrong calls covers each argument and option that is not free text."""
    calls = [words for words in map(read_call, CALLS) if tuple(words[: len(leaf)]) == leaf]
    given = {word for words in calls for word in words}
    arguments = any(len(words) > len(leaf) and not words[len(leaf)].startswith("--") for words in calls)
    for parameter in LEAVES[leaf].params:
        if isinstance(parameter, click.Option):
            name = next(option for option in parameter.opts if option.startswith("--"))
            skipped = parameter.is_flag or name in EVERYWHERE or " ".join((*leaf, name)) in FREE
            assert skipped or name in given, f"{' '.join(leaf)} {name}"
        else:
            assert arguments, f"{' '.join(leaf)} {parameter.name}"


def test_every_wrong_call_is_of_a_command() -> None:
    """No line of the table is lost: each is about a command that exists."""
    for words in map(read_call, CALLS):
        assert any(tuple(words[: len(leaf)]) == leaf for leaf in LEAVES), words
