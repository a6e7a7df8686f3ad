"""dlib: the second embedder's runtime, the only import of it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import dlib
import numpy as np
from numpy.typing import NDArray

from consent_edit.errors import ModelUnavailable
from consent_edit.perception.models import ModelFile

T = TypeVar("T")

CHIP_SIDE = 150
"""Side in pixels of the chip the network takes."""

CHIP_PADDING = 0.25
"""Padding round the face in the chip, as the network was trained."""


def _from_private_copy(file: ModelFile, load: Callable[[str], T]) -> T:
    """Load from a private copy of the hashed bytes: dlib reads paths only, and the original may change."""
    with tempfile.TemporaryDirectory(prefix="consent-edit-") as folder:
        copy = Path(folder) / "model.dat"
        copy.write_bytes(file.data)
        try:
            return load(str(copy))
        except RuntimeError as error:
            raise ModelUnavailable(
                f"dlib does not take the model of role {file.role}", remedy="consent-edit models pull"
            ) from error


class DlibEmbedder:
    """dlib's ResNet with its own five-point predictor, on one thread.

    Args:
        network: ``dlib_face_recognition_resnet_model_v1.dat``.
        landmarks: ``shape_predictor_5_face_landmarks.dat``.

    Raises:
        ModelUnavailable: dlib does not take a file.
    """

    def __init__(self, network: ModelFile, landmarks: ModelFile) -> None:
        self._network = _from_private_copy(network, dlib.face_recognition_model_v1)
        self._landmarks = _from_private_copy(landmarks, dlib.shape_predictor)

    def points(self, upright: NDArray[np.uint8], box: tuple[int, int, int, int]) -> NDArray[np.float32]:
        """The predictor's five points.

        Args:
            upright: (H, W, 3) uint8 RGB, the face upright.
            box: Left, top, right, bottom in pixels.

        Returns:
            float32 (5, 2): the outer and inner corner of each eye, and the base of the nose.
        """
        shape = self._landmarks(np.ascontiguousarray(upright), dlib.rectangle(*box))
        return np.array([(point.x, point.y) for point in shape.parts()], dtype=np.float32)

    def chip(self, upright: NDArray[np.uint8], box: tuple[int, int, int, int]) -> NDArray[np.uint8]:
        """The face as the network wants it.

        Returns:
            uint8 (150, 150, 3) RGB.
        """
        picture = np.ascontiguousarray(upright)
        shape = self._landmarks(picture, dlib.rectangle(*box))
        chip = dlib.get_face_chip(picture, shape, size=CHIP_SIDE, padding=CHIP_PADDING)
        return np.asarray(chip, dtype=np.uint8)

    def embed(self, chips: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Descriptors of chips.

        Args:
            chips: uint8 (150, 150, 3) RGB each.

        Returns:
            float32 (len(chips), 128), not of unit norm.
        """
        batch = [np.ascontiguousarray(chip) for chip in chips]
        rows = [np.asarray(row, dtype=np.float32) for row in self._network.compute_face_descriptor(batch)]
        return np.stack(rows)
