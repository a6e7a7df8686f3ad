"""Self-tests: every model must give its known answer to a known input before it may judge a picture (G4)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from consent_edit.errors import ModelUnavailable
from consent_edit.perception.models.lock import SELF_TEST_CODE
from consent_edit.perception.models.store import ModelStore

_PROJECTIONS = 8


def known_picture(height: int, width: int) -> NDArray[np.uint8]:
    """A fixed pattern of shaded ovals, the same on every machine.

    Returns:
        uint8 (height, width, 3), made of whole-number arithmetic only.
    """
    rows, columns = np.mgrid[0:height, 0:width].astype(np.int64)
    waves = (rows * rows * 7 // max(height, 1) + columns * 5) % 256
    ovals = ((columns - width // 2) ** 2 * 3 + (rows - height // 2) ** 2 * 2) * 255 // (width * height)
    return np.stack([waves, ovals % 256, (waves + ovals) % 256], axis=-1).astype(np.uint8)


def fingerprint(answer: NDArray[np.float32]) -> tuple[float, ...]:
    """Eight projections of an answer on fixed plus-and-minus patterns, scaled by its length and size.

    Args:
        answer: Any float array; flattened.
    """
    flat = np.asarray(answer, dtype=np.float64).ravel()
    index = np.arange(1, flat.size + 1, dtype=np.int64)
    values = []
    for number in range(1, _PROJECTIONS + 1):
        signs = np.where((index * (2 * number + 1) * 2654435761 // 65536) % 2 == 0, 1.0, -1.0)
        values.append(round(float(signs @ flat / np.sqrt(flat.size)), 5))
    return tuple(values)


def require_known_answer(store: ModelStore, role: str, answer: NDArray[np.float32]) -> None:
    """Compare a model's answer to the known picture with the lock's reference.

    Raises:
        ModelUnavailable: the answer differs, is not finite, or the lock holds no reference.
    """
    test = store.lock.entry(role).self_test
    got = fingerprint(answer)
    expected = test.reference
    scale = max(1.0, *(abs(value) for value in expected)) if expected else 1.0
    right = len(expected) == len(got) and all(
        abs(a - b) <= test.tolerance * scale for a, b in zip(got, expected, strict=True)
    )
    if not right:
        raise ModelUnavailable(
            f"the model of role {role} gave a wrong answer to its known input",
            code=SELF_TEST_CODE,
            remedy="consent-edit models verify",
        )
