"""Renew the pins of the floor, if the proof shows that it holds; else nothing is written."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from consent_edit.errors import VerificationFailed
from consent_edit.policy.bundle import PolicyBundle
from consent_edit.policy.digests import PINS_FILE
from consent_edit.policy.proof.prove import Proof, prove_floor


def pin(proof: Proof, pins: Path) -> int:
    """Write the digests of a proven floor; the exit code."""
    if not proof.holds:
        sys.stderr.write("not pinned:\n" + "".join(f"  {failure}\n" for failure in proof.failures))
        return VerificationFailed.exit_code
    digests = {"floor": proof.digests.floor, "mirror": proof.digests.mirror}
    pins.write_text(json.dumps(digests, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(pin(prove_floor([PolicyBundle.shipped("default")]), PINS_FILE))
