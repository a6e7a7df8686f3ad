"""Which floor this is: digests of the code and of its mirror, and the pins they must agree with.

``floor.lock.json`` holds the digests of the floor that was proven. A floor that is another one decides
nothing: every edit is refused until the proof was run again and the pins renewed on purpose.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Final

from consent_edit import vocabulary
from consent_edit.errors import CheckFailed
from consent_edit.policy import facts, floor

_ROOM: Final = Path(__file__).parent
PINS_FILE: Final = _ROOM / "floor.lock.json"
MIRROR_FILE: Final = _ROOM / "floor.cedar"


def _pins() -> object:
    """What is pinned; nothing where that cannot be read, so that nothing agrees with it."""
    try:
        return json.loads(PINS_FILE.read_bytes())
    except (OSError, ValueError):
        return None


def _digest_of(*files: Path) -> str:
    """``sha256:<hex>`` over the contents of files, each after its length."""
    digest = hashlib.sha256()
    for file in files:
        content = file.read_bytes()
        digest.update(len(content).to_bytes(8, "big") + content)
    return f"sha256:{digest.hexdigest()}"


_FLOOR: Final = _digest_of(*(Path(str(module.__file__)) for module in (floor, facts, vocabulary)))
_MIRROR: Final = _digest_of(MIRROR_FILE)
_PINS: Final = _pins()


def floor_digest() -> str:
    """Of floor.py with the facts and the vocabulary that shape it, read when this module loads."""
    return _FLOOR


def mirror_digest() -> str:
    """Of floor.cedar, read when this module loads."""
    return _MIRROR


def check_pins() -> None:
    """Require that this is the floor that was proven.

    Raises:
        CheckFailed: ``check.floor-altered``.
    """
    if {"floor": _FLOOR, "mirror": _MIRROR} != _PINS:
        raise CheckFailed(
            "the floor is not the one that was proven",
            code="check.floor-altered",
            remedy="reinstall consent-edit; nothing is decided under an altered floor",
        )
