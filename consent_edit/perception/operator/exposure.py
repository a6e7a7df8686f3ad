"""An operator's own classifier of nudity: an ONNX graph, prepared and read exactly as declared."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from consent_edit.errors import CheckFailed, ModelUnavailable
from consent_edit.perception.backends.onnx import OnnxModel
from consent_edit.perception.models.lock import SELF_TEST_CODE, ModelFile
from consent_edit.perception.models.selftest import known_picture
from consent_edit.perception.operator.models import ExposureModel


class OperatorExposure:
    """One classifier.

    Args:
        declared: How it is fed and read.
        file: Its hashed bytes.

    Raises:
        ModelUnavailable: the runtime does not take it, or it does not answer as declared.
    """

    def __init__(self, declared: ExposureModel, file: ModelFile) -> None:
        self._declared = declared
        self.threshold = declared.threshold
        self._model = OnnxModel(file.data)
        try:
            self.score(known_picture(declared.side, declared.side))
        except CheckFailed as error:
            raise ModelUnavailable(
                f"the operator's model {file.role} does not answer as declared",
                code=SELF_TEST_CODE,
                remedy="declare its side, layout, answer and classes as they are",
            ) from error

    def score(self, pixels: NDArray[np.uint8]) -> float:
        """Probability, 0 to 1, of the positive classes together.

        Args:
            pixels: (H, W, 3) uint8 RGB.

        Raises:
            CheckFailed: it broke, or gave no such probability.
        """
        one = self._declared
        small = cv2.resize(np.ascontiguousarray(pixels), (one.side, one.side), interpolation=cv2.INTER_AREA)
        ordered = small[:, :, ::-1] if one.colours == "bgr" else small
        values = (ordered.astype(np.float32) - np.array(one.mean, np.float32)) / np.array(one.std, np.float32)
        batch = values.transpose(2, 0, 1)[None] if one.layout == "nchw" else values[None]
        try:
            answer = self._model.run(batch)[self._model.output_names[0]]
        except Exception as error:
            raise CheckFailed(f"an operator's exposure model broke ({type(error).__name__})") from error
        row = answer.reshape(-1).astype(np.float64)
        if answer.shape[0] != 1 or row.size <= max(one.positive) or not np.isfinite(row).all():
            raise CheckFailed("an operator's exposure model gave no row of classes")
        if one.answer == "logits":
            row = _softmax(row)
        score = float(row[list(one.positive)].sum())
        if not -1e-4 <= score <= 1 + 1e-4:
            raise CheckFailed("an operator's exposure model gave no probability")
        return min(1.0, max(0.0, score))


def _softmax(row: NDArray[np.float64]) -> NDArray[np.float64]:
    powers = np.exp(row - row.max())
    return np.asarray(powers / powers.sum())
