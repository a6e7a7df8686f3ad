"""Embeddings: two independent families look at every recognisable face, each in several resampled views."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from consent_edit.errors import CheckFailed
from consent_edit.perception.backends.dlib import RUNTIME, DlibLandmarks
from consent_edit.perception.backends.dlib_graph import SIDE, dlib_onnx
from consent_edit.perception.faces.alignment import aligned, similarity
from consent_edit.perception.models.selftest import fingerprint, known_picture, require_known_answer
from consent_edit.perception.models.store import ModelStore
from consent_edit.perception.observation import ModelUse
from consent_edit.perception.shown import Pixels, Shown
from consent_edit.thresholds import Thresholds

Floats: TypeAlias = NDArray[np.float32]

FIRST: Final = "face-embedding"
SECOND: Final = "face-embedding-second"
LANDMARKS: Final = "face-landmarks-five"

CANVAS: Final = 300
"""Side in pixels of the upright picture that the second embedder's crops are taken from."""

CANVAS_ZOOM: Final = 1.5
"""Size of the face on it, in multiples of its size in the 112-px reference."""

CANVAS_BOX: Final = (84, 108, 216, 240)
"""The box dlib's predictor was trained for, brows to chin, on the canvas: centre below the eyes' line."""

# dlib's mean face (image_transforms/interpolation.h) in a unit square; a quarter of its side goes all round.
_MEAN_FACE: Final[NDArray[np.float64]] = np.array(
    [
        [0.8595674595992, 0.2134981538014],
        [0.6460604764104, 0.2289674387677],
        [0.1205750620789, 0.2137274526848],
        [0.3340850613712, 0.2290642403242],
        [0.4901123135679, 0.6277975316475],
    ]
)
CHIP_POINTS: Final[NDArray[np.float32]] = ((_MEAN_FACE + 0.25) / 1.5 * SIDE).astype(np.float32)
"""Where dlib's five points go in the crop, float32 (5, 2), pixels."""

USUAL_POINTS: Final[NDArray[np.float32]] = np.array(
    [[185.4, 144.7], [164.6, 145.5], [111.8, 145.7], [132.6, 146.0], [149.1, 185.8]], dtype=np.float32
)
"""Where dlib's points lie on the canvas on average, over 2,320 photographs of LFW. Put there, the face is
aligned by the detector's landmarks alone: whoever bends dlib's points has bent only some of the views."""

SMALLER: Final = 0.95
"""Size of the face in the first embedder's last view."""

CHIP_ZOOMS: Final = (1.0, 0.93, 1.07)
"""Sizes of the face in the crops that are aligned by dlib's points."""


def unit_rows(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows of unit norm.

    Raises:
        CheckFailed: a row is not finite or has no length: no embedding at all.
    """
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    if not np.isfinite(rows).all() or not (lengths > 1e-6).all():
        raise CheckFailed("an embedder gave no usable vector")
    return np.asarray(rows / lengths, dtype=np.float32)


class FirstEmbedder:
    """SFace: 128 dimensions, three views (straight, mirrored, slightly smaller).

    Raises:
        ModelUnavailable: the weights are missing, altered or fail their self-test.
    """

    def __init__(self, store: ModelStore, limits: Thresholds) -> None:
        file = store.load(FIRST)
        self._model = store.backend.onnx(file.data, free_axes=(0,), levels=True)
        self._device = store.backend.faces(self._model)
        answer = self._vectors([known_picture(112, 112)])
        require_known_answer(store, FIRST, answer)
        self.known_answers = {FIRST: fingerprint(answer)}
        self.uses = (ModelUse(FIRST, file.sha256, threshold=limits.match_face_embedding, self_test=True),)

    def _vectors(self, crops: list[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Raw vectors of (112, 112, 3) RGB crops; the graph scales its 0-255 input itself."""
        return self._model.run(np.stack(crops).transpose(0, 3, 1, 2))[self._model.output_names[0]]

    def embed_all(self, picture: Shown | Pixels, faces: Sequence[Floats]) -> list[Floats]:
        """Embed several faces of a picture; on a device in one run.

        Args:
            picture: (H, W, 3) uint8 RGB.
            faces: float32 (5, 2) each, ArcFace order.

        Returns:
            Per face float32 (3, 128), rows of unit norm.
        """
        shown = Shown.of(picture)
        if self._device is not None:
            return self._device.first(shown, faces)
        return [self._embedded(shown.pixels, landmarks) for landmarks in faces]

    def embed(self, picture: Shown | Pixels, landmarks: Floats) -> Floats:
        """Embed one face, as :meth:`embed_all`."""
        return self.embed_all(picture, [landmarks])[0]

    def _embedded(self, pixels: Pixels, landmarks: Floats) -> Floats:
        straight = aligned(pixels, landmarks)
        smaller = aligned(pixels, landmarks, zoom=SMALLER)
        return unit_rows(self._vectors([straight, straight[:, ::-1], smaller]))


def chip_maps(points: NDArray[np.float32]) -> list[NDArray[np.float64]]:
    """From canvas to crop: three sizes by dlib's own points, then one by the detector's landmarks alone.

    Args:
        points: float32 (5, 2), dlib's points on the canvas.

    Returns:
        float64 (2, 3) each, for column vectors (x, y, 1).
    """
    middle = SIDE / 2
    sizes = [((CHIP_POINTS - middle) * zoom + middle).astype(np.float32) for zoom in CHIP_ZOOMS]
    return [*(similarity(points, size) for size in sizes), similarity(USUAL_POINTS, CHIP_POINTS)]


class SecondEmbedder:
    """dlib's ResNet: 128 dimensions, eight views: four crops, each straight and mirrored.

    Raises:
        ModelUnavailable: weights are missing, altered or fail their self-test.
    """

    def __init__(self, store: ModelStore, limits: Thresholds) -> None:
        network, points = store.load(SECOND), store.load(LANDMARKS)
        self._model = store.backend.onnx(dlib_onnx(network.data), free_axes=(0,), levels=True)
        self._device = store.backend.faces(self._model)
        self._landmarks = DlibLandmarks(points)
        answer = self._vectors([known_picture(SIDE, SIDE)])
        where = self._landmarks.points(known_picture(CANVAS, CANVAS), CANVAS_BOX)
        require_known_answer(store, SECOND, answer)
        require_known_answer(store, LANDMARKS, where)
        self.known_answers = {SECOND: fingerprint(answer), LANDMARKS: fingerprint(where)}
        threshold = limits.match_face_embedding_second
        self.uses = (
            ModelUse(SECOND, network.sha256, threshold=threshold, self_test=True),
            ModelUse(LANDMARKS, points.sha256, threshold=0.0, self_test=True, runtime=RUNTIME),
        )

    def _vectors(self, crops: list[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Raw vectors of (150, 150, 3) RGB crops; the graph scales its 0-255 input itself."""
        return self._model.run(np.stack(crops).transpose(0, 3, 1, 2))[self._model.output_names[0]]

    def embed_all(self, picture: Shown | Pixels, faces: Sequence[Floats]) -> list[Floats]:
        """Embed several faces of a picture; on a device in one run.

        Each is turned upright first, then aligned by dlib's own five points and by the landmarks.

        Args:
            picture: (H, W, 3) uint8 RGB.
            faces: float32 (5, 2) each, ArcFace order.

        Returns:
            Per face float32 (8, 128), rows of unit norm; straight and mirrored in turn.
        """
        shown = Shown.of(picture)
        if self._device is not None:
            return self._device.second(shown, faces, self._landmarks)
        return [self._embedded(shown.pixels, landmarks) for landmarks in faces]

    def embed(self, picture: Shown | Pixels, landmarks: Floats) -> Floats:
        """Embed one face, as :meth:`embed_all`."""
        return self.embed_all(picture, [landmarks])[0]

    def _embedded(self, pixels: Pixels, landmarks: Floats) -> Floats:
        upright = aligned(pixels, landmarks, side=CANVAS, zoom=CANVAS_ZOOM)
        maps = chip_maps(self._landmarks.points(upright, CANVAS_BOX))
        chips = [cv2.warpAffine(upright, one, (SIDE, SIDE), flags=cv2.INTER_LINEAR) for one in maps]
        return unit_rows(self._vectors([view for chip in chips for view in (chip, chip[:, ::-1])]))
