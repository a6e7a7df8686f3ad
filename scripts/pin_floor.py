"""Renew the pins of the floor, once ``consent-edit policy prove`` has shown that it holds."""

from __future__ import annotations

import json
import subprocess
import sys

from consent_edit.policy.digests import PINS_FILE, floor_digest, mirror_digest

if __name__ == "__main__":
    PINS_FILE.write_text(
        json.dumps({"floor": floor_digest(), "mirror": mirror_digest()}, indent=2) + "\n", encoding="utf-8"
    )
    sys.exit(subprocess.run([sys.executable, "-m", "consent_edit", "policy", "prove"], check=False).returncode)
