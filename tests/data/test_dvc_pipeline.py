"""The pipeline file for teams that use DVC, run by DVC itself with rows on an S3 server."""

from __future__ import annotations

import importlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from tests.films import environment
from tests.seaweed import Seaweed, seaweed, seaweed_server
from tiltyard.cli.main import COMMANDS

__all__ = ["seaweed", "seaweed_server"]

EXAMPLE = Path(__file__).parents[2] / "examples" / "sentiment"
ROWS = "data/reviews.csv"


def test_the_pipeline_names_files_and_options_that_exist() -> None:
    """What DVC watches is there, what it runs is a command of ours, and what it reads is what that writes."""
    yaml = pytest.importorskip("yaml")
    stage = yaml.safe_load((EXAMPLE / "dvc.yaml").read_text(encoding="utf-8"))["stages"]["train"]
    assert all((EXAMPLE / path).is_file() for path in stage["deps"])
    program, name, *words = shlex.split(stage["cmd"].split(" || ")[0])
    assert program == "tiltyard"
    module, attribute = COMMANDS[name][0].split(":")
    command: click.Command = getattr(importlib.import_module(module), attribute)
    options = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= options
    written = words[words.index(">") + 1]
    assert [list(metric) for metric in stage["metrics"]] == [[written]]


class Shell:
    """Runs lines of a page by a shell that finds DVC and ``tiltyard``, and stops at the first that fails."""

    def __init__(self, root: Path, variables: dict[str, str]) -> None:
        self._variables = environment() | variables | _keep_apart(root)
        ours = str(Path(sys.executable).parent)
        self._variables["PATH"] = os.pathsep.join([str(Path(_find_dvc()).parent), ours, os.environ["PATH"]])

    def run(self, folder: Path, script: str, code: int = 0) -> str:
        """What the lines printed."""
        done = subprocess.run(
            ["sh", "-ec", script],
            cwd=folder,
            env=self._variables,
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr


@pytest.mark.requirement("R-DATA-14")
@pytest.mark.timeout(1200)
def test_dvc_keeps_the_rows_in_a_bucket_and_trains_in_a_clone(
    seaweed: Seaweed, tmp_path: Path, fresh_store: Path
) -> None:
    """By the page's own lines rows go to S3, come back in a clone, train there once, and return when git does."""
    shell = Shell(tmp_path, seaweed.environment)
    keep, train = re.findall(r"```sh\n(dvc .*?)```", (EXAMPLE / "README.md").read_text("utf-8"), re.DOTALL)
    here = tmp_path / "repository" / "sentiment"
    shutil.copytree(EXAMPLE, here, ignore=shutil.ignore_patterns(".tiltyard"))
    shell.run(here.parent, "git init --quiet; git add --all; git commit --quiet --message reviews")
    shell.run(here, keep)
    first = (here / ROWS).read_bytes()
    assert shell.run(here, "git ls-files data") == "data/.gitignore\ndata/README.md\ndata/reviews.csv.dvc\n"
    (kept,) = [key for key in seaweed.list_keys("data") if key.startswith("dvc/")]
    assert re.fullmatch(r"dvc/files/md5/[0-9a-f]{2}/[0-9a-f]{30}", kept)

    shell.run(tmp_path, "git clone --quiet repository clone")
    there = tmp_path / "clone" / "sentiment"
    assert not (there / ROWS).exists()
    (there / ".tiltyard").mkdir()
    shutil.copyfile(fresh_store, there / ".tiltyard" / "mlflow.db")
    printed = shell.run(there, train)
    assert (there / ROWS).read_bytes() == first
    trained = json.loads((there / "training.json").read_text("utf-8"))
    assert (trained["model_version"], trained["status"]) == ("1", "Set as champion")
    assert f"{trained['metrics']['accuracy']:.5g}" in printed
    assert "didn't change, skipping" in shell.run(there, "dvc repro")
    assert sorted(shell.run(there, "git add --all; git ls-files; git commit --quiet -m trained").split()) == [
        *(".dvc/.gitignore", ".dvc/config", ".dvcignore", ".gitignore", "README.md", "data/.gitignore"),
        *("data/README.md", "data/reviews.csv.dvc", "dvc.lock", "dvc.yaml", "tiltyard.toml", "training.json"),
    ]

    # The last row once more: the rows have another version, and the equal model does not fail the stage.
    (there / ROWS).write_bytes(first + first.splitlines(keepends=True)[-1])
    shell.run(there, f"dvc add {ROWS}; dvc push; dvc repro; git add --all; git commit --quiet -m more")
    again = json.loads((there / "training.json").read_text("utf-8"))
    assert (again["model_version"], again["promotion"]["promoted"]) == ("2", False)
    assert len([key for key in seaweed.list_keys("data") if key.startswith("dvc/")]) > 1
    shell.run(there, f"git checkout --quiet HEAD~ -- {ROWS}.dvc; dvc checkout")
    assert (there / ROWS).read_bytes() == first


@pytest.mark.parametrize("path", ["data/", "data//empty/"])
def test_dvc_finds_its_rows_under_every_address(seaweed: Seaweed, tmp_path: Path, path: str) -> None:
    """A slash at the end of the remote's address, or an empty part in it, loses nothing: what is pushed is pulled."""
    shell = Shell(tmp_path, seaweed.environment)
    here = tmp_path / "rows"
    here.mkdir()
    (here / "rows.csv").write_text(f"text,label\n{path},a\n", encoding="utf-8")
    shell.run(
        here, f"git init -q; dvc init -q; dvc add -q rows.csv; dvc remote add -q -d storage s3://{path}; dvc push"
    )
    first = (here / "rows.csv").read_bytes()
    shell.run(here, "rm -r .dvc/cache rows.csv; dvc pull")
    assert (here / "rows.csv").read_bytes() == first


def _find_dvc() -> str:
    """What DVC names, or the environment that ``make dvc`` makes, or the program on the PATH; the test is skipped."""
    made = Path(sys.prefix) / "dvc" / "bin" / "dvc"
    found = os.environ.get("DVC") or (str(made) if made.exists() else shutil.which("dvc"))
    if found is None:
        pytest.skip("DVC is not installed: run `make dvc`, or name the program by DVC")
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    return found


def _keep_apart(root: Path) -> dict[str, str]:
    """Variables by which git and DVC read and write no settings and caches of this user."""
    settings, keys = root / "gitconfig", root / "awsconfig"
    settings.touch()
    keys.touch()  # DVC reads it itself, and takes no device for it
    who = {f"GIT_{role}_{what}": "films@example.org" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    folders = {f"DVC_{name}_DIR": str(root / name) for name in ("GLOBAL_CONFIG", "SYSTEM_CONFIG", "SITE_CACHE")}
    return {
        **who,
        **folders,
        "DVC_NO_ANALYTICS": "true",
        "GIT_CONFIG_GLOBAL": str(settings),
        "GIT_CONFIG_NOSYSTEM": "1",
        "AWS_CONFIG_FILE": str(keys),
    }
