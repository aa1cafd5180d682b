"""A signature says who packaged a version; a host with trusted keys takes no other's."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import stat
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from tests.films import make_films
from tests.registry.fitted import TEXTS, fitted, package, reseal
from tiltyard.cli.host.keys import keys_group
from tiltyard.cli.main import main
from tiltyard.errors import ArtifactError, UsageError
from tiltyard.ledger import SqlLedger
from tiltyard.pipeline import QuietRunner, TrainingRequest, Workspace, train
from tiltyard.project import load_project
from tiltyard.registry import ExperimentTracker, MlflowRegistry, read_package
from tiltyard.registry.package.manifest import MANIFEST, TRAINING_KEYS, read_verified, verify
from tiltyard.registry.package.packaging import MODEL_FILE
from tiltyard.registry.package.signing import (
    NO_KEYS,
    SIGNATURE,
    KeyRing,
    Signer,
    host_keys,
    host_signer,
    new_signer,
)
from tiltyard.settings import Settings

OURS, THEIRS = Signer(bytes(range(32))), Signer(bytes(range(1, 33)))
TRUSTING = KeyRing((OURS.public,))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An unsigned package; tests copy it."""
    folder = tmp_path_factory.mktemp("package") / "model"
    package(folder, fitted("naive Bayes").model)
    return folder


@pytest.fixture
def unsigned(whole: Path, tmp_path: Path) -> Path:
    """An unsigned package of the test's own."""
    return Path(shutil.copytree(whole, tmp_path / "model"))


@pytest.fixture
def signed(unsigned: Path) -> Path:
    """The same, signed with our key."""
    sign(unsigned, OURS)
    return unsigned


def sign(folder: Path, signer: Signer) -> None:
    (folder / SIGNATURE).write_bytes(signer.sign((folder / MANIFEST).read_bytes()))


def refusal(folder: Path, keys: KeyRing) -> ArtifactError:
    with pytest.raises(ArtifactError) as refused:
        read_package(folder, trusted_keys=keys)
    assert "\n" not in refused.value.message
    assert refused.value.next_step
    return refused.value


def settings(root: Path, *, signing: str | None = None, trusted: tuple[str, ...] = ()) -> Settings:
    return Settings.model_validate({"root": root, "signing_key": signing, "trusted_keys": trusted})


def test_a_signed_version_is_read(signed: Path) -> None:
    """A version signed by a trusted key is loaded, and says by which key."""
    read = read_package(signed, trusted_keys=KeyRing((THEIRS.public, OURS.public)))
    assert read.signed_by == OURS.public.id
    assert np.array_equal(read.pipeline.predict(TEXTS), fitted("naive Bayes").model.predict(TEXTS))


def test_the_signature_is_plain_ed25519(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a host with a signing key a version is signed: Ed25519 over the manifest's bytes, which others can verify."""
    monkeypatch.setenv("TILTYARD_SIGNING_KEY", OURS.text)
    package(tmp_path / "model", fitted("naive Bayes").model)
    stored = json.loads((tmp_path / "model" / SIGNATURE).read_text())
    public = Ed25519PrivateKey.from_private_bytes(bytes(range(32))).public_key()
    public.verify(base64.b64decode(stored["signature"]), (tmp_path / "model" / MANIFEST).read_bytes())
    assert stored["algorithm"] == "Ed25519"
    assert stored["key_id"] == hashlib.sha256(public.public_bytes_raw()).hexdigest()[:16]
    manifest = read_package(tmp_path / "model", trusted_keys=TRUSTING).manifest
    assert SIGNATURE not in manifest.files
    monkeypatch.delenv("TILTYARD_SIGNING_KEY")
    package(tmp_path / "plain", fitted("naive Bayes").model)
    assert not (tmp_path / "plain" / SIGNATURE).exists()


@pytest.mark.filterwarnings("ignore")
def test_mlflow_reads_a_signed_version(signed: Path) -> None:
    """A signed version is still a plain MLflow model."""
    import mlflow.sklearn

    assert mlflow.sklearn.load_model(str(signed)).predict(TEXTS[:1]).tolist() == ["bad"]


def test_an_unsigned_version(unsigned: Path) -> None:
    """Without a signature a version is refused where a key is trusted, which is named, and read elsewhere."""
    error = refusal(unsigned, TRUSTING)
    assert error.code == "artifact.unsigned"
    assert OURS.public.id in error.message
    assert read_package(unsigned).signed_by is None
    assert read_package(unsigned, trusted_keys=KeyRing(own=OURS.public)).signed_by is None


def test_a_foreign_signature(signed: Path) -> None:
    """A signature by a key that is not trusted is refused with both keys, and accepted without trusted keys."""
    error = refusal(signed, KeyRing((THEIRS.public,)))
    assert error.code == "artifact.foreign-key"
    assert error.fields["key_id"] == OURS.public.id
    assert OURS.public.id in error.message
    assert THEIRS.public.id in error.message
    assert read_package(signed).signed_by is None
    assert read_package(signed, trusted_keys=KeyRing(own=THEIRS.public)).signed_by is None


def test_to_sign_is_not_to_be_trusted(signed: Path) -> None:
    """A host's own key counts only if it is among the trusted ones, where there are any."""
    assert refusal(signed, KeyRing((THEIRS.public,), OURS.public)).code == "artifact.foreign-key"


@pytest.mark.parametrize("keys", [TRUSTING, KeyRing(own=OURS.public)])
def test_a_changed_manifest(signed: Path, keys: KeyRing) -> None:
    """A manifest that was written anew to fit changed files is refused; also where only the own key is known."""
    (signed / "requirements.txt").write_text("numpy")
    reseal(signed)
    error = refusal(signed, keys)
    assert (error.code, error.fields["key_id"]) == ("artifact.signature", OURS.public.id)
    assert read_package(signed).manifest.files["requirements.txt"] == hashlib.sha256(b"numpy").hexdigest()


@given(position=st.integers(0), bit=st.integers(0, 7))
def test_any_bit_of_the_manifest(whole: Path, position: int, bit: int) -> None:
    """There is no bit of the manifest that can be turned under a signature."""
    content = bytearray((whole / MANIFEST).read_bytes())
    stored = OURS.sign(bytes(content))
    assert TRUSTING.signed_by(bytes(content), stored, "it") == OURS.public.id
    content[position % len(content)] ^= 1 << bit
    with pytest.raises(ArtifactError) as refused:
        TRUSTING.signed_by(bytes(content), stored, "it")
    assert refused.value.code == "artifact.signature"


@given(position=st.integers(0, 63), bit=st.integers(0, 7))
def test_any_bit_of_the_signature(position: int, bit: int) -> None:
    """Nor is there one of the signature."""
    stored = json.loads(OURS.sign(b"content"))
    raw = bytearray(base64.b64decode(stored["signature"]))
    raw[position] ^= 1 << bit
    stored["signature"] = base64.b64encode(raw).decode()
    with pytest.raises(ArtifactError) as refused:
        TRUSTING.signed_by(b"content", json.dumps(stored).encode(), "it")
    assert refused.value.code == "artifact.signature"


@pytest.mark.parametrize(
    "change",
    [
        {"key_id": OURS.public.id},
        {"key_id": OURS.public.id, "signature": ""},
        {"key_id": OURS.public.id, "signature": "not base64!"},
        {"key_id": "../../etc/passwd\n"},
        {"algorithm": "none", "key_id": OURS.public.id},
    ],
)
def test_a_signature_that_claims_another_key(unsigned: Path, change: dict[str, Any]) -> None:
    """A signature is verified by the key that it names, whatever else it says."""
    stored = {**json.loads(THEIRS.sign((unsigned / MANIFEST).read_bytes())), **change}
    (unsigned / SIGNATURE).write_text(json.dumps(stored))
    assert refusal(unsigned, TRUSTING).code == "artifact.signature"


def test_a_signature_under_another_algorithm_is_refused(signed: Path) -> None:
    """A sound signature under the name of another algorithm is refused."""
    stored = {**json.loads((signed / SIGNATURE).read_text()), "algorithm": "none"}
    (signed / SIGNATURE).write_text(json.dumps(stored))
    assert refusal(signed, TRUSTING).code == "artifact.signature"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b'{"key_id": 1}'])
@pytest.mark.parametrize("keys", [NO_KEYS, TRUSTING])
def test_a_damaged_signature_file(signed: Path, content: bytes, keys: KeyRing) -> None:
    """A signature file that cannot be read is damage like any other, on every host."""
    (signed / SIGNATURE).write_bytes(content)
    assert refusal(signed, keys).code == "artifact.signature"


def test_the_signature_is_the_only_unnamed_file(signed: Path) -> None:
    """A file next to the signature that the manifest does not name is refused."""
    (signed / f"{SIGNATURE}2").write_text("")
    error = refusal(signed, TRUSTING)
    assert (error.code, error.fields["file"]) == ("artifact.digest", f"{SIGNATURE}2")


def test_files_are_read_once(signed: Path) -> None:
    """A file that is exchanged after the version was verified is not used."""
    manifest = verify(signed, TRUSTING).manifest
    read = read_package(signed, trusted_keys=TRUSTING)
    assert read.training_keys.tolist() == [0, 1, 2, 3, 4]
    for name in (MODEL_FILE, TRAINING_KEYS):
        (signed / name).write_bytes(b"another")
        with pytest.raises(ArtifactError, match=Path(name).name):
            read_verified(signed, manifest, name)
    with pytest.raises(ArtifactError, match="was changed"):
        _ = read.training_keys


def forms(signer: Signer, folder: Path) -> dict[str, tuple[str, str]]:
    """The pair of a key in every form that a setting may have."""
    (folder / "own key").write_bytes(signer.pem)
    (folder / "own key.pub").write_text(f"{signer.public.text}\n")
    private, public = signer.pem.decode(), signer.public.pem.decode()
    return {
        "base64": (signer.text, signer.public.text),
        "PEM": (private, public),
        "PEM on one line": (private.replace("\n", "\\n"), public.replace("\n", "\\n")),
        "file": ("@own key", "@own key.pub"),
        "absolute file": (f"@{folder}/own key", f"@{folder}/own key.pub"),
    }


@pytest.mark.parametrize("form", ["base64", "PEM", "PEM on one line", "file", "absolute file"])
def test_forms_of_keys(form: str, tmp_path: Path) -> None:
    """A key is the same key in each of its forms; relative files lie next to the project file."""
    private, public = forms(OURS, tmp_path)[form]
    of = settings(tmp_path, signing=private, trusted=(THEIRS.public.text, public))
    assert host_signer(of) == OURS
    assert host_keys(of) == KeyRing((THEIRS.public, OURS.public), OURS.public)


def test_without_keys_nothing_is_signed_or_required(tmp_path: Path) -> None:
    """Without settings, and with an empty one, nothing is signed and no signature is required."""
    for of in (settings(tmp_path), settings(tmp_path, signing=" ")):
        assert host_signer(of) is None
        assert host_keys(of) == NO_KEYS


def other_kind() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return key.private_bytes(*form).decode()


def encrypted() -> str:
    lock = serialization.BestAvailableEncryption(b"word")
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock)
    return Ed25519PrivateKey.generate().private_bytes(*form).decode()


@pytest.mark.parametrize(
    "given",
    [
        "secret",
        "c2VjcmV0",
        OURS.text[:-4],
        "é" * 44,
        OURS.public.pem.decode(),
        other_kind(),
        encrypted(),
        "@nowhere",
        "@",
    ],
)
def test_bad_signing_keys(given: str, tmp_path: Path) -> None:
    """What is not a private key is refused by the setting's name, and is not repeated."""
    with pytest.raises(UsageError, match="TILTYARD_SIGNING_KEY") as refused:
        host_signer(settings(tmp_path, signing=given))
    if not given.startswith("@"):
        assert given not in refused.value.message
        assert refused.value.code == "key.invalid"


@pytest.mark.parametrize("given", ["", "x", OURS.pem.decode(), "@nowhere"])
def test_bad_trusted_keys(given: str, tmp_path: Path) -> None:
    """What is not a public key is refused by its place in the list: it is never left out in silence."""
    with pytest.raises(UsageError, match=r"TILTYARD_TRUSTED_KEYS\[1\]"):
        host_keys(settings(tmp_path, trusted=(OURS.public.text, given)))


def test_halves_that_were_confused(tmp_path: Path) -> None:
    """The public half as the signing key, with which anybody could sign, is refused."""
    with pytest.raises(UsageError, match="the same key"):
        host_keys(settings(tmp_path, signing=OURS.public.text, trusted=(OURS.public.text,)))


def test_the_private_key_is_not_shown() -> None:
    """A signer that is printed, in a log or an error, does not show its key."""
    assert OURS.text not in repr(OURS)
    assert repr(OURS.seed)[2:-1] not in repr(replace(OURS))


def test_a_list_that_is_not_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list of keys that is not JSON is refused by its name, not read as an empty one."""
    monkeypatch.setenv("TILTYARD_TRUSTED_KEYS", OURS.public.text)
    with pytest.raises(UsageError, match="TILTYARD_TRUSTED_KEYS"):
        Settings.load(tmp_path)


def generated(*words: str, capsys: pytest.CaptureFixture[str]) -> str:
    keys_group.main(["generate", *words], standalone_mode=False)
    return capsys.readouterr().out


def test_keys_are_printed(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a file, both lines are printed as the environment takes them."""
    lines = [line.strip() for line in generated(capsys=capsys).splitlines() if "=" in line]
    (tmp_path / ".env").write_text("\n".join(lines))
    keys = host_keys(Settings.load(tmp_path))
    assert keys.own is not None
    assert keys.trusted == (keys.own,)
    found = json.loads(generated("--json", capsys=capsys))
    assert set(found) == {"key_id", "public_key", "signing_key"}
    assert found["key_id"] != keys.own.id


@pytest.mark.parametrize("as_json", [False, True])
def test_keys_are_written(as_json: bool, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """With a file, the private key is in it, for its owner alone, and nowhere else."""
    file = tmp_path / "signing key"
    printed = generated("--to", str(file), *(["--json"] if as_json else []), capsys=capsys)
    of = settings(tmp_path, signing=f"@{file}", trusted=(f"@{file}.pub",))
    signer = host_signer(of)
    assert signer is not None
    assert host_keys(of).trusted == (signer.public,)
    assert stat.S_IMODE(file.stat().st_mode) == stat.S_IMODE(Path(f"{file}.pub").stat().st_mode) == 0o600
    assert signer.public.text in printed
    assert signer.text not in printed
    assert signer.pem.decode().splitlines()[1] not in printed
    if as_json:
        assert json.loads(printed)["signing_key_file"] == str(file)
    else:
        assert f"TILTYARD_SIGNING_KEY=@{file}" in printed


def test_keys_are_not_overwritten(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A key file that is there stays: versions may have been signed with it."""
    generated("--to", str(tmp_path / "key"), capsys=capsys)
    before = (tmp_path / "key").read_bytes()
    for name in ("key", "missing/key"):
        with pytest.raises(UsageError, match="key cannot be written"):
            generated("--to", str(tmp_path / name), capsys=capsys)
    (tmp_path / "other.pub").touch()
    with pytest.raises(UsageError, match=r"other\.pub"):
        generated("--to", str(tmp_path / "other"), capsys=capsys)
    assert (tmp_path / "key").read_bytes() == before
    assert not (tmp_path / "other").exists()


def test_openssl_verifies_our_signatures(signed: Path, tmp_path: Path) -> None:
    """A signature can be verified without Tiltyard, by OpenSSL, and its keys are keys of ours."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed")
    (tmp_path / "key.pub").write_bytes(OURS.public.pem)
    stored = json.loads((signed / SIGNATURE).read_text())
    (tmp_path / "signature").write_bytes(base64.b64decode(stored["signature"]))
    words: list[str | Path] = [
        "pkeyutl",
        "-verify",
        "-pubin",
        "-inkey",
        tmp_path / "key.pub",
        "-rawin",
        "-in",
        signed / MANIFEST,
    ]
    done = subprocess.run(
        [openssl, *words, "-sigfile", tmp_path / "signature"], capture_output=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    subprocess.run([openssl, "genpkey", "-algorithm", "ed25519", "-out", tmp_path / "theirs"], check=True, timeout=60)
    made = host_signer(settings(tmp_path, signing="@theirs"))
    assert made is not None
    Ed25519PublicKey.from_public_bytes(made.public.raw)


def test_a_spoilt_copy_is_fetched_again(signed: Path, tmp_path: Path, tracking_uri: str) -> None:
    """A cached copy whose manifest was written anew is replaced by a sound one from the registry."""
    of = settings(tmp_path, trusted=(OURS.public.text,))
    registry = MlflowRegistry(tracking_uri=tracking_uri, settings=of)
    info = registry.register_model(str(signed), "films")
    folder = registry.fetch(info, tmp_path / "cache")
    (folder / "requirements.txt").write_text("numpy")
    reseal(folder)
    refusal(folder, TRUSTING)
    assert read_package(registry.fetch(info, tmp_path / "cache"), trusted_keys=TRUSTING).signed_by == OURS.public.id


def test_the_registry_loads_only_what_is_signed(unsigned: Path, tmp_path: Path, tracking_uri: str) -> None:
    """`load_model` verifies by this host's keys by default."""
    of = settings(tmp_path, signing=OURS.text, trusted=(OURS.public.text,))
    registry = MlflowRegistry(tracking_uri=tracking_uri, settings=of)
    registry.register_model(str(unsigned), "films")
    with pytest.raises(ArtifactError) as refused:
        registry.load_model("films", version="1")
    assert refused.value.code == "artifact.unsigned"
    sign(unsigned, OURS)
    elsewhere = MlflowRegistry(tracking_uri=tracking_uri, settings=settings(tmp_path))
    elsewhere.register_model(str(unsigned), "films")
    with pytest.raises(ArtifactError, match="has no seal") as unsealed:
        registry.load_model("films", version="2")
    assert unsealed.value.code == "artifact.unsealed"
    assert elsewhere.seal(elsewhere.get_version("films", version="2")) is None
    assert registry.seal(registry.get_version("films", version="2")) is not None
    assert registry.load_model("films", version="2").predict(TEXTS[:1]).tolist() == ["bad"]


def test_a_logged_model_is_signed(tmp_path: Path, tracking_uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that is logged by hand on a host with a signing key is signed too."""
    monkeypatch.setenv("TILTYARD_SIGNING_KEY", OURS.text)
    tracker = ExperimentTracker("films", tracking_uri=tracking_uri, artifact_location=(tmp_path / "kept").as_uri())
    with tracker.start_run("by hand"):
        uri = tracker.log_model(fitted("naive Bayes").model)
    of = settings(tmp_path, signing=OURS.text, trusted=(OURS.public.text,))
    registry = MlflowRegistry(tracking_uri=tracking_uri, settings=of)
    registry.register_model(uri, "films")
    assert registry.load_model("films", version="1").predict(TEXTS[:1]).tolist() == ["bad"]


def test_training_signs_and_commands_verify(
    tmp_path: Path, tracking_uri: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is trained with a key is a champion that `predict` and `doctor` take, and refuse under another key."""
    films = make_films(tmp_path / "films", rows=300)
    project = load_project(films.root)
    artifacts = (tmp_path / "artifacts").as_uri()
    with SqlLedger.open(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:
        registry = MlflowRegistry(tracking_uri=tracking_uri, settings=settings(tmp_path, signing=OURS.text))
        workspace = Workspace(registry, ledger, tmp_path / "cache", (), "tester", trusted_keys=TRUSTING, signer=OURS)
        tracker = ExperimentTracker(project.name, tracking_uri=tracking_uri, artifact_location=artifacts)
        outcome = train(project, tracker, workspace, QuietRunner(), TrainingRequest(promote=True))
        assert workspace.load(outcome.version).signed_by == OURS.public.id
        with pytest.raises(ArtifactError) as refused:
            replace(workspace, trusted_keys=KeyRing((THEIRS.public,))).load(outcome.version)
        assert refused.value.code == "artifact.foreign-key"

    def ran(*words: str, trusted: Signer, secret: str | None = None) -> tuple[object, Any]:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_uri)
        monkeypatch.setenv("TILTYARD_TRUSTED_KEYS", json.dumps([trusted.public.text]))
        if secret is not None:
            monkeypatch.setenv("TILTYARD_SIGNING_KEY", secret)
        with pytest.raises(SystemExit) as left:
            main([*words, "--project", str(films.root), "--json"])
        return left.value.code, json.loads(capsys.readouterr().out)

    code, printed = ran("predict", "a warm and funny film", trusted=OURS)
    assert (code, printed[0]["model_version"]) == (0, "1")
    code, printed = ran("predict", "a warm and funny film", trusted=THEIRS)
    assert (code, printed["error"]["code"]) == (1, "artifact.foreign-key")

    def checks(found: Any) -> dict[str, Any]:
        return {check["name"]: check for check in found["checks"]}

    code, found = ran("doctor", trusted=OURS)
    assert code == 0
    assert checks(found)["champion"]["found"].endswith(f"signed by {OURS.public.id}")
    assert f"only versions signed by {OURS.public.id} are loaded" in checks(found)["signatures"]["found"]
    code, found = ran("doctor", trusted=THEIRS)
    assert (code, checks(found)["champion"]["state"]) == (1, "wrong")

    key = tmp_path / "key"
    key.write_bytes(OURS.pem)
    for mode, state in ((0o600, "ok"), (0o640, "note"), (0o644, "wrong"), (0o660, "wrong")):
        key.chmod(mode)
        code, found = ran("doctor", trusted=OURS, secret=f"@{key}")
        assert checks(found)["key file"]["state"] == state, oct(mode)
        assert (code == 1) == (state == "wrong")
        assert OURS.text not in json.dumps(found)
        assert f"signed by {OURS.public.id}" in checks(found)["signatures"]["found"]
    code, found = ran("doctor", trusted=OURS, secret=new_signer().text)
    assert (code, checks(found)["signatures"]["state"]) == (1, "wrong")
    assert OURS.public.id in checks(found)["signatures"]["found"]
    code, found = ran("doctor", trusted=OURS, secret="nonsense")
    assert "TILTYARD_SIGNING_KEY" in checks(found)["signatures"]["found"]
