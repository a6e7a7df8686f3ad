"""Reads the child's answers: plain observations only, a captured child cannot call the host's code."""

from __future__ import annotations

import io
import pickle
from typing import Final

from consent_edit import vocabulary
from consent_edit.errors import CheckFailed
from consent_edit.perception import observation

_ARRAYS: Final = frozenset(
    {
        ("numpy", "ndarray"),
        ("numpy", "dtype"),
        ("numpy._core.multiarray", "_reconstruct"),
        ("numpy.core.multiarray", "_reconstruct"),
    }
)
_OBSERVATIONS: Final = {
    observation.__name__: (
        "Box",
        "ModelUse",
        "CheckRun",
        "FaceObservation",
        "BodyObservation",
        "ExposureReading",
        "PictureExposure",
        "ImageObservation",
        "PromptObservation",
        "ChangeObservation",
    ),
    vocabulary.__name__: (
        "Age",
        "CheckName",
        "CheckOutcome",
        "Exposure",
        "ExposureChange",
        "Intent",
        "Operation",
        "PersonKind",
        "Recognisable",
        "Region",
    ),
    "builtins": ("frozenset", "set"),
}


class _Reader(pickle.Unpickler):
    """An unpickler that knows observations, their enums and arrays, and nothing else."""

    def find_class(self, module: str, name: str) -> object:
        if (module, name) in _ARRAYS or name in _OBSERVATIONS.get(module, ()):
            return super().find_class(module, name)
        raise CheckFailed("an answer held something that is no observation")


def restored(data: bytes) -> object:
    """One message of the child.

    Raises:
        CheckFailed: it holds anything but tuples, strings, numbers, arrays, observations and their enums.
    """
    try:
        return _Reader(io.BytesIO(data)).load()
    except CheckFailed:
        raise
    except Exception as error:
        raise CheckFailed("an answer could not be read") from error
