"""Reads the child's answers: plain observations only, a captured child cannot call the host's code."""

from __future__ import annotations

import io
import pickle
from enum import Enum
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


_SET_STATE: Final = pickle.BUILD[0]
_set_state: Final = pickle._Unpickler.dispatch[_SET_STATE]


def _set_own_state(reader: pickle.Unpickler) -> None:
    """Set the state of what the answer itself made: never of a class, nor of an enum's value.

    Those are the host's: set there, ``FACE`` could read ``BODY`` in every picture from then on.
    """
    if isinstance(vars(reader)["stack"][-2], type | Enum):
        raise CheckFailed("an answer would have changed what the host's words mean")
    _set_state(reader)


class _Reader(pickle._Unpickler):
    """An unpickler that knows observations, their enums and arrays, and nothing else.

    The one in Python: the other cannot be told whose state it may set.
    """

    dispatch = {**pickle._Unpickler.dispatch, _SET_STATE: _set_own_state}  # noqa: RUF012 - read only

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
