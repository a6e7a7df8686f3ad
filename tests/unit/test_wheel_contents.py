"""The wheel carries what the code reads at run time, not only the code."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import consent_edit
from consent_edit.shipped import shipped

PACKAGE = Path(consent_edit.__file__).resolve().parent
ROOT = PACKAGE.parent


@pytest.fixture(scope="module")
def contents(tmp_path_factory) -> frozenset[str]:
    """Names in a wheel built here and now."""
    if importlib.util.find_spec("hatchling") is None:
        pytest.skip("hatchling, which builds the wheel, is not installed (it is in the test extra)")
    if not (ROOT / "pyproject.toml").is_file():
        pytest.skip("not a checkout: there is nothing to build a wheel from")
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    command += ["--disable-pip-version-check", "--no-index", "--wheel-dir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return frozenset(archive.namelist())


def test_policies_and_lock_travel_with_the_code(contents):
    """Every shipped policy, the model lock and the thresholds are in the wheel, where the code looks."""
    policies = shipped("policies")
    files = [path.relative_to(policies).as_posix() for path in policies.rglob("*") if path.is_file()]
    assert "default/policy.cedar" in files
    assert {f"consent_edit/shipped/policies/{name}" for name in files} <= contents
    assert {"consent_edit/shipped/models.lock.toml", "consent_edit/thresholds.toml"} <= contents


def test_every_file_of_the_package_is_in_the_wheel(contents):
    """The type marker, the weights, the word lists and every module are in the wheel."""
    files = {
        f"consent_edit/{path.relative_to(PACKAGE).as_posix()}"
        for path in PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc"
    }
    assert "consent_edit/py.typed" in files
    assert any(name.startswith("consent_edit/perception/weights/") for name in files)
    assert any(name.startswith("consent_edit/pipelines/weights/") for name in files)
    assert files <= contents, sorted(files - contents)
