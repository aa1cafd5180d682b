"""Names of images: which an image gets, which lead back to it, and what a workflow does with them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.deploy.scripts import run

SHA = "0123456789abcdef0123456789abcdef01234567"
IMAGE = "ghcr.io/Acme/Films"
MAIN = "refs/heads/main"

# What a registry would respond; each call is written down. Where tests run, there is no Docker daemon.
DOCKER = """#!/bin/sh
echo "$@" >> "$ASKED"
case "$3" in
  inspect) printf '{"digest": "%s"}' "$ANSWER" ;;
  create) [ "$4" != --help ] || echo --prefer-index ;;
esac
"""


def digest(sign: str) -> str:
    return "sha256:" + sign * 64


@pytest.fixture
def docker(tmp_path: Path) -> dict[str, str]:
    """An environment whose docker only writes down its arguments."""
    program = tmp_path / "docker"
    program.write_text(DOCKER)
    program.chmod(0o755)
    called = tmp_path / "asked"
    called.write_text("")
    return {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "ASKED": str(called), "ANSWER": digest("a")}


@pytest.mark.requirement("R-DEPLOY-17", "R-DEPLOY-18")
@pytest.mark.parametrize(
    ("stage", "expected"),
    [
        ("staging", ["latest", f"main-{SHA}"]),
        ("production", ["production", f"production-{SHA}", f"prod-{SHA}"]),
    ],
)
def test_each_stage_has_one_tag_that_moves_and_some_that_stay(stage: str, expected: list[str]) -> None:
    """The tags are those of the requirements, and the name is in lower case, as registries want it."""
    done = run("tags.py", stage, "--image", IMAGE, "--sha", SHA, "--ref", MAIN)
    assert done.stdout.split() == [f"ghcr.io/acme/films:{tag}" for tag in expected]


@pytest.mark.requirement("R-CI-10")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("production", "--sha", SHA, "--ref", "refs/heads/topic"), "Only main"),
        (("production", "--sha", SHA, "--ref", "refs/pull/7/merge"), "Only main"),
        (("staging", "--sha", "abc123", "--ref", MAIN), "full SHA"),
        (("older", "--tag", "latest"), "names no image that stays"),
        (("older", "--tag", "production"), "names no image that stays"),
        (("older", "--tag", f"main-{SHA}; rm -rf /"), "names no image that stays"),
    ],
)
def test_what_cannot_be_meant_gets_no_name(words: tuple[str, ...], said: str) -> None:
    """Only main is deployed, and only a tag that stays leads back."""
    done = run("tags.py", words[0], "--image", IMAGE, *words[1:])
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


@pytest.mark.requirement("R-DEPLOY-21")
def test_an_older_image_is_found_by_the_tags_that_stay() -> None:
    """Each of them, and nothing else."""
    for prefix in ("main", "production", "prod"):
        done = run("tags.py", "older", "--image", IMAGE, "--tag", f"{prefix}-{SHA}")
        assert done.stdout.strip() == f"ghcr.io/acme/films:{prefix}-{SHA}"


def test_production_is_the_image_that_was_staged(docker: dict[str, str]) -> None:
    """It is named by its digest and nothing is built; another digest under the new name is an error."""
    staged = f"ghcr.io/acme/films@{digest('a')}"
    names = f"ghcr.io/acme/films:production\nghcr.io/acme/films:prod-{SHA}\n"
    done = run("retag.sh", staged, env=docker, stdin=names)
    assert done.returncode == 0, done.stderr
    called = Path(docker["ASKED"]).read_text()
    tags = f"--tag ghcr.io/acme/films:production --tag ghcr.io/acme/films:prod-{SHA}"
    assert f"buildx imagetools create --prefer-index=false {tags} {staged}\n" in called
    assert "build " not in called
    other = run("retag.sh", staged, env={**docker, "ANSWER": digest("b")}, stdin=names)
    assert (other.returncode, digest("b") in other.stderr) == (1, True)
    assert run("retag.sh", "ghcr.io/acme/films:latest", env=docker, stdin=names).returncode == 2


def test_going_back_moves_the_tag_production_to_the_older_image(docker: dict[str, str], tmp_path: Path) -> None:
    """By the digest that its lasting tag has; the next step receives it."""
    output = tmp_path / "output"
    done = run("older.sh", IMAGE, f"production-{SHA}", env={**docker, "GITHUB_OUTPUT": str(output)})
    assert done.returncode == 0, done.stderr
    assert output.read_text() == f"image=ghcr.io/acme/films@{digest('a')}\n"
    assert f"--tag ghcr.io/acme/films:production ghcr.io/acme/films@{digest('a')}" in Path(docker["ASKED"]).read_text()
    assert run("older.sh", IMAGE, "production", env=docker).returncode != 0


@pytest.mark.requirement("R-DEPLOY-19")
def test_the_model_is_built_on_the_image_of_the_same_commit(docker: dict[str, str], tmp_path: Path) -> None:
    """Both are pushed with a cache in the registry; only main is built, and what follows gets the digest."""
    output = tmp_path / "output"
    done = run("push.sh", IMAGE, SHA, MAIN, "model", env={**docker, "GITHUB_OUTPUT": str(output)})
    assert done.returncode == 0, done.stderr
    built = [line for line in Path(docker["ASKED"]).read_text().splitlines() if line.startswith("buildx build ")]
    assert len(built) == 2
    assert all("--cache-from type=registry" in line and "--push" in line for line in built)
    assert f"--tag ghcr.io/acme/films:base-{SHA} " in built[0]
    assert f"--build-arg TILTYARD_IMAGE=ghcr.io/acme/films:base-{SHA} " in built[1]
    assert f"--tag ghcr.io/acme/films:latest --tag ghcr.io/acme/films:main-{SHA} " in built[1]
    assert output.read_text() == f"image=ghcr.io/acme/films@{digest('a')}\n"
    assert run("push.sh", IMAGE, SHA, "refs/heads/topic", "model", env=docker).returncode == 2
