"""A policy's folder with one test file, for the tests of cases."""

from __future__ import annotations

from pathlib import Path

PERMIT = '@id("all") @reason("r") permit (principal, action, resource);\n'
FORBID = (
    '@id("increase") @reason("r") forbid (principal, action, resource)\n'
    'unless { context.exposure_change == ExposureChange::"none" };\n'
)
BENIGN = "- {name: benign, codes: []}\n"


def put(folder: Path, text: str, *, policy: str = PERMIT + FORBID, name: str = "mine") -> Path:
    """A policy's folder with one test file; the file."""
    (folder / "tests").mkdir(exist_ok=True)
    (folder / "policy.cedar").write_text(policy)
    file = folder / "tests" / f"{name}.test.yaml"
    file.write_text(text)
    return file
