"""Self-tests on the device: each model must give its known answer there before it may judge (G4)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from consent_edit.perception.backends.dlib_graph import SIDE
from consent_edit.perception.backends.torch.model import TorchModel
from consent_edit.perception.exposure import look as exposure
from consent_edit.perception.faces.detectors import blazeface, centerface, yunet
from consent_edit.perception.faces.embedding import FIRST, SECOND
from consent_edit.perception.models.selftest import known_picture, require_known_answer
from consent_edit.perception.models.store import ModelStore

_MEAN_BGR: Final = (104, 117, 123)
_SHADES: Final = (0.0, 0.1, 0.2, 0.4)


def require_known(store: ModelStore, role: str, model: TorchModel) -> None:
    """Ask a model on the device what its role's CPU self-test asks, and compare with the lock's reference.

    Raises:
        ModelUnavailable: the answer differs, is not finite, or the lock holds no reference.
    """
    require_known_answer(store, role, _flat(model.run(_INPUTS[role]())))


def _flat(raw: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float32]:
    return np.concatenate([raw[name].ravel() for name in sorted(raw)]).astype(np.float32)


def _first_planes(height: int, width: int) -> NDArray[np.float32]:
    """The known picture, channels first, 0 to 255."""
    return known_picture(height, width).transpose(2, 0, 1)[None].astype(np.float32)


def _shades() -> NDArray[np.float32]:
    """The known picture ever fainter, as OpenNSFW takes it."""
    known, mean = known_picture(224, 224).astype(np.float32), np.array(_MEAN_BGR, np.float32)
    return np.stack([known * share + 110 * (1 - share) - mean for share in _SHADES]).astype(np.float32)


_INPUTS: Final[dict[str, Callable[[], NDArray[np.float32]]]] = {
    yunet.ROLE: lambda: _first_planes(128, 160),
    centerface.ROLE: lambda: _first_planes(128, 160),
    blazeface.ROLE: lambda: _first_planes(128, 128).transpose(0, 2, 3, 1) * np.float32(1 / 127.5) - 1,
    exposure.ROLE: _shades,
    FIRST: lambda: _first_planes(112, 112),
    SECOND: lambda: _first_planes(SIDE, SIDE),
}
