"""Rewrites what models.lock.toml pins of the repository's own: hashes of shipped files, self-test references.

Run after training the prompt head (``--hashes-only``), or after changing a self-test. The hashes of carriers
and their members are never rewritten: they are pinned by hand.
"""

from __future__ import annotations

import hashlib
import re
import sys
from pathlib import Path

from consent_edit.perception.bodies.look import BodyFinder
from consent_edit.perception.change.look import ChangeMeter
from consent_edit.perception.exposure.look import ExposureCheck
from consent_edit.perception.faces.embedding import FirstEmbedder, SecondEmbedder
from consent_edit.perception.faces.look import FaceDetector
from consent_edit.perception.models.lock import ModelLock, SelfTest, ShippedCarrier, read_lock
from consent_edit.perception.models.store import ModelStore
from consent_edit.thresholds import load_thresholds

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "models.lock.toml"


def known_answers(lock: ModelLock) -> dict[str, tuple[float, ...]]:
    """Every image model's answer to its known input, whatever the lock says it should be."""
    anything = SelfTest(reference=(0.0,) * 8, tolerance=1e9)
    open_lock = ModelLock(
        format=1, model=tuple(entry.model_copy(update={"self_test": anything}) for entry in lock.model)
    )
    store, limits = ModelStore(lock=open_lock), load_thresholds()
    answers: dict[str, tuple[float, ...]] = {}
    for build in (FaceDetector, FirstEmbedder, SecondEmbedder, BodyFinder, ChangeMeter, ExposureCheck):
        answers |= build(store, limits).known_answers
    return answers


def main() -> None:
    """Rewrite the lock in place, entry by entry."""
    lock = read_lock(LOCK)
    answers = {} if "--hashes-only" in sys.argv else known_answers(lock)
    blocks = LOCK.read_text(encoding="utf-8").split("[[model]]")
    for number, entry in enumerate(lock.model, start=1):
        block = blocks[number]
        if isinstance(entry.carrier, ShippedCarrier):
            path = ROOT / entry.carrier.member
            if path.is_file():
                digest = hashlib.sha256(path.read_bytes()).hexdigest()
                block = re.sub(r'(?m)^sha256 = "[0-9a-f]{64}"', f'sha256 = "{digest}"', block)
        if entry.role in answers:
            numbers = ", ".join(str(value) for value in answers[entry.role])
            block = re.sub(r"reference = \[[^\]]*\]", f"reference = [{numbers}]", block)
        blocks[number] = block
    LOCK.write_text("[[model]]".join(blocks), encoding="utf-8")


if __name__ == "__main__":
    main()
