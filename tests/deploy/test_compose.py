"""The Compose file: valid, closed to other machines, and without a secret in it."""

from __future__ import annotations

import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from tests.deploy.test_image import ROOT, tool
from tiltyard.serving.auth.keys import NewKey

TEXT = (ROOT / "compose.yaml").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
ONCE = {"buckets", "api-keys"}
OURS = {name for name, service in SERVICES.items() if service["image"].startswith("tiltyard:")}
VARIABLE = re.compile(r"\$\{([A-Z][A-Z0-9_]*)(:[?-])?([^}]*)\}")


def example() -> tuple[set[str], dict[str, str]]:
    """The secrets of .env.example, which are empty, and its choices with the defaults that it shows."""
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    secrets = re.findall(r"^([A-Z][A-Z0-9_]*)=(.*)$", text, flags=re.MULTILINE)
    assert all(value == "" for _, value in secrets)
    return {name for name, _ in secrets}, dict(re.findall(r"^#([A-Z][A-Z0-9_]*)=(.*)$", text, flags=re.MULTILINE))


@pytest.mark.requirement("R-DEPLOY-04")
def test_it_is_a_valid_compose_file() -> None:
    """By the schema of the Compose specification."""
    done = subprocess.run(
        [tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", "compose.yaml"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.requirement("R-DEPLOY-09")
def test_every_variable_is_explained_and_every_explanation_used() -> None:
    """A secret has no default and says what to do without it; a choice has the default that .env.example shows."""
    secrets, choices = example()
    used = VARIABLE.findall(TEXT)
    assert {name for name, _, _ in used} == secrets | set(choices)
    for name, kind, words in used:
        if name in secrets:
            assert kind == ":?", name
            assert "make env" in words
        else:
            assert (kind, words) == (":-", choices[name])


def test_no_secret_is_written_in_it() -> None:
    """What is called a password or a key comes from the environment, always."""
    for name, service in SERVICES.items():
        for variable, value in (service.get("environment") or {}).items():
            if re.search(r"PASSWORD|SECRET|_KEY$|KEY_ID$", variable):
                assert VARIABLE.fullmatch(str(value)), (name, variable)
            assert not re.search(r"://[^:/@]+:(?!\$\{)[^@]+@", str(value)), (name, variable)


def test_only_this_machine_reaches_the_ports() -> None:
    """Each published port is on 127.0.0.1, and nothing shares the host's network."""
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert len(ports) == 6
    assert all(port.startswith("127.0.0.1:") for port in ports)
    assert not any("network_mode" in service or service.get("privileged") for service in SERVICES.values())


def test_only_who_works_with_objects_reaches_the_object_store() -> None:
    """It has its own network, shared by those that hold its key; what serves the world is not among them."""
    near = {name for name, service in SERVICES.items() if "objects" in service.get("networks", ["default"])}
    holders = {name for name, service in SERVICES.items() if "AWS_SECRET_ACCESS_KEY" in service.get("environment", {})}
    assert near == holders == {"object-store", "buckets", "mlflow", "training", "loop"}
    assert SERVICES["object-store"]["networks"] == ["objects"]


def test_every_image_has_a_version() -> None:
    """No image is whatever was latest."""
    images = {service["image"] for name, service in SERVICES.items() if name not in OURS}
    assert images
    assert all(re.fullmatch(r"[a-z/]+:\d+\.\d+[\w.-]*", image) for image in images)


def test_our_containers_have_no_rights_that_they_do_not_use() -> None:
    """A read-only root, no capability, no way to gain one."""
    assert len(OURS) == 9
    for name in OURS:
        assert SERVICES[name]["read_only"] is True
        assert SERVICES[name]["cap_drop"] == ["ALL"]
        assert SERVICES[name]["security_opt"] == ["no-new-privileges:true"]


def test_no_service_takes_the_host_from_the_others() -> None:
    """Each log has a largest size, each service a most of memory and of processes."""
    for name, service in SERVICES.items():
        assert set(service["logging"]["options"]) == {"max-size", "max-file"}, name
        assert re.fullmatch(r"\$\{SERVICE_MEMORY:-\d+g\}", service["mem_limit"]), name
        assert service["pids_limit"] > 0, name


def test_an_api_starts_without_the_registry() -> None:
    """What it needs to begin is its keys; an upgrade while MLflow starts again loses no request to waiting for it."""
    assert set(SERVICES["api"]["depends_on"]) == {"api-keys"}


def test_who_waits_waits_for_the_right_thing() -> None:
    """For what runs, until it is well; for what is done once, until it is done; and all that runs is checked."""
    for name, service in SERVICES.items():
        for other, waited in service.get("depends_on", {}).items():
            wanted = "service_completed_successfully" if other in ONCE else "service_healthy"
            assert waited == {"condition": wanted}, (name, other)
        checked = not service.get("healthcheck", {}).get("disable") and (name == "api" or "healthcheck" in service)
        assert checked != (name in ONCE), name


def test_every_volume_is_named_and_used() -> None:
    """`docker compose down -v` forgets all of it, and nothing else."""
    mounted = {volume.partition(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])}
    assert {name for name in mounted if not name.startswith((".", "$"))} == set(COMPOSE["volumes"])
    folders = [volume for service in SERVICES.values() for volume in service.get("volumes", []) if volume[0] in ".$"]
    assert all(folder.endswith(":ro") for folder in folders)


def test_docker_itself_reads_it(tmp_path: Path) -> None:
    """With a .env as `make env` writes it, and not without."""
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode:
        pytest.skip("docker compose is not installed")
    command = [docker, "compose", "--file", str(ROOT / "compose.yaml"), "--env-file"]
    (tmp_path / "empty").touch()
    without = subprocess.run(
        [*command, tmp_path / "empty", "config", "-q"], capture_output=True, text=True, check=False
    )
    assert without.returncode != 0
    assert 'run "make env"' in without.stderr
    write_env(tmp_path)
    subprocess.run([*command, tmp_path / ".env", "config", "-q"], check=True)


@pytest.mark.requirement("R-DEPLOY-09")
def test_fresh_secrets_are_written_once(tmp_path: Path) -> None:
    """Each is another one, for the owner alone; API keys can be taken in; a second run changes nothing."""
    secrets, _ = example()
    file = write_env(tmp_path)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    written = dict(re.findall(r"^([A-Z][A-Z0-9_]*)=(.+)$", file.read_text(encoding="utf-8"), flags=re.MULTILINE))
    assert set(written) == secrets
    assert len(set(written.values())) == len(secrets)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{20,}", value) for value in written.values())
    for name in ("CALLER_KEY", "TILTYARD_SERVER_KEY"):
        assert NewKey.from_token(written[name], ["read"]).key.scopes == ("read",)
    before = file.read_bytes()
    again = subprocess.run([*WRITE_ENV, str(tmp_path)], capture_output=True, text=True, check=False)
    assert (again.returncode, file.read_bytes()) == (1, before)
    assert "stays as it is" in again.stderr


WRITE_ENV = [sys.executable, "-E", "-S", str(ROOT / "deploy" / "container" / "write_env.py")]


def write_env(folder: Path) -> Path:
    """A .env in a folder, as `make env` writes it."""
    shutil.copy(ROOT / ".env.example", folder)
    subprocess.run([*WRITE_ENV, str(folder)], check=True)
    return folder / ".env"
