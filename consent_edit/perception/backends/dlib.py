"""dlib: the five-point predictor that the second embedder aligns by, the only import of it."""

from __future__ import annotations

import tempfile
from pathlib import Path

import dlib
import numpy as np
from numpy.typing import NDArray

from consent_edit.errors import ModelUnavailable
from consent_edit.perception.models.lock import ModelFile

RUNTIME = f"dlib-{dlib.__version__}-cpu"
"""What a record says ran the predictor."""


class DlibLandmarks:
    """dlib's own five-point predictor, on one thread.

    Args:
        file: ``shape_predictor_5_face_landmarks.dat``.

    Raises:
        ModelUnavailable: dlib does not take the file.
    """

    def __init__(self, file: ModelFile) -> None:
        with tempfile.TemporaryDirectory(prefix="consent-edit-") as folder:
            copy = Path(folder) / "model.dat"  # dlib reads paths only, and the original may change
            copy.write_bytes(file.data)
            try:
                self._predictor = dlib.shape_predictor(str(copy))
            except RuntimeError as error:
                raise ModelUnavailable(
                    f"dlib does not take the model of role {file.role}", remedy="consent-edit models pull"
                ) from error

    def points(self, upright: NDArray[np.uint8], box: tuple[int, int, int, int]) -> NDArray[np.float32]:
        """The predictor's five points.

        Args:
            upright: (H, W, 3) uint8 RGB, the face upright.
            box: Left, top, right, bottom in pixels.

        Returns:
            float32 (5, 2): the outer and inner corner of each eye, and the base of the nose.
        """
        shape = self._predictor(np.ascontiguousarray(upright), dlib.rectangle(*box))
        return np.array([(point.x, point.y) for point in shape.parts()], dtype=np.float32)
