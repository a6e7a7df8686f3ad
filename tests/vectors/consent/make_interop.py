"""Remakes interop_sd_jwt_js.json: what @sd-jwt/sd-jwt-vc says of ours, and what it made.

Needs node, and the library beside it, neither of which the tests need:

    npm install --prefix FOLDER @sd-jwt/sd-jwt-vc@0.17.1
    python tests/vectors/consent/make_interop.py FOLDER
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
TESTS = HERE.parents[1]
sys.path[:0] = [str(TESTS.parent), str(TESTS), str(TESTS / "unit" / "consent")]
OUTPUT = HERE / "interop_sd_jwt_js.json"

from test_sd_jwt import AUDIENCE, ISSUER, NONCE, NOW, Desk  # noqa: E402

from consent_edit.consent.keys import Algorithm  # noqa: E402
from consent_edit.consent.sd_jwt import bind_key  # noqa: E402


def main(folder: Path) -> None:
    """Hand ours to the library, take what it says and makes, and write the recording."""
    ours, keys = [], {}
    for algorithm in Algorithm:
        desk = Desk.make(algorithm)
        bound = bind_key(desk.credential(), desk.holder, audience=AUDIENCE, nonce=NONCE, now=NOW)
        ours.append({"name": algorithm.value, "issuer": desk.issuer.public.export(), "presentation": bound})
        private = {"issuer": desk.issuer.export_private(), "holder": desk.holder.export_private()}
        keys[algorithm.value] = {**private, "claims": desk.claims(cnf=...)}
    asked = {"audience": AUDIENCE, "nonce": NONCE, "now": NOW, "ours": ours, "keys": keys}
    done = subprocess.run(
        ["node", str(HERE / "make_interop.mjs"), str(folder.resolve())],
        input=json.dumps(asked).encode(),
        stdout=subprocess.PIPE,
        check=True,
    )
    told = json.loads(done.stdout)
    recording = {
        "library": told["library"],
        "now": NOW,
        "audience": AUDIENCE,
        "nonce": NONCE,
        "issuer": ISSUER,
        "ours": told["ours"],
        "theirs": told["theirs"],
    }
    OUTPUT.write_text(json.dumps(recording, indent=1) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
