"""insightface: an operator's pack of SCRFD, ArcFace and genderage models; the only import of it.

Three things that the library leaves to chance are settled here. It downloads a pack that is missing: nothing
here names a pack, every model is built from bytes that were read and hashed. It guesses from the shapes of a
model's outputs what the model is for (it takes YuNet for SCRFD): here the operator says it, and it is tried
out. And SCRFD misses a face that fills more than 40 % of the picture: it looks twice, once at the picture in
a frame so wide that a face as large as the picture fills a third of the view.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Final, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from consent_edit.errors import CheckFailed, ModelUnavailable
from consent_edit.perception.backends.pack_session import PackSession, demand_shapes
from consent_edit.perception.faces.alignment import ARCFACE_SIDE, aligned
from consent_edit.perception.models.lock import ModelFile
from consent_edit.perception.models.selftest import known_picture
from consent_edit.perception.observation import Box

_LOOK: Final = 640
_LOOK_LARGE: Final = 1280
_SCRFD_OUTPUTS: Final = {9: ((8, 16, 32), 2), 15: ((8, 16, 32, 64, 128), 1)}
"""Outputs (scores, boxes, points for each stride) -> strides and anchors a cell."""

_MOST_BOXES: Final = 500
_AGE_SIDE: Final = 96


@dataclass(frozen=True, slots=True, eq=False)
class PackFace:
    """One box of a pack's detector, in pixels of the picture.

    Attributes:
        landmarks: float32 (5, 2), ArcFace order.
    """

    box: Box
    score: float
    landmarks: NDArray[np.float32]


class _Detector(Protocol):
    """What is used of insightface's SCRFD."""

    def prepare(self, ctx_id: int, *, input_size: tuple[int, int], det_thresh: float) -> None: ...
    def detect(
        self, img: NDArray[np.uint8], input_size: tuple[int, int]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]: ...


class _Embedder(Protocol):
    """What is used of insightface's ArcFaceONNX."""

    def get_feat(self, imgs: list[NDArray[np.uint8]]) -> NDArray[np.float32]: ...


class _Reader(Protocol):
    """What is used of insightface's Attribute."""

    def get(self, img: NDArray[np.uint8], face: object) -> tuple[int, int]: ...


def _library() -> tuple[ModuleType, ModuleType]:
    """insightface's models and its record of a face.

    Raises:
        ModelUnavailable: the package is not installed.
    """
    try:
        import insightface.app.common
        import insightface.model_zoo
    except Exception as error:  # it imports a great deal, any of which may be missing or break
        raise ModelUnavailable(
            f"insightface is not installed, or cannot be loaded ({type(error).__name__})",
            remedy="pip install 'consent-edit[insightface]', then pip install --no-deps 'insightface>=2.1'",
        ) from error
    return insightface.model_zoo, insightface.app.common


class PackDetector:
    """SCRFD with five points.

    Args:
        file: The hashed bytes.
        providers: ONNX Runtime's, the first one wanted.
        threshold: Score from which a box counts.

    Raises:
        ModelUnavailable: insightface, a provider or the model is not there, or is not what is declared.
    """

    def __init__(self, file: ModelFile, providers: Sequence[str], threshold: float) -> None:
        zoo, _ = _library()
        self._session = session = PackSession(file, providers)
        session.guarded(lambda: self._demand_scrfd(session))
        self._model: _Detector = session.guarded(
            lambda: zoo.scrfd.SCRFD(model_file=str(session.path), session=session.graph)
        )
        self._threshold = threshold
        sides = session.graph.get_inputs()[0].shape[2:4]
        self._fixed = tuple(int(side) for side in sides) if all(isinstance(s, int) for s in sides) else ()
        self._model.prepare(0, input_size=self._size(_LOOK), det_thresh=threshold)
        session.guarded(lambda: self.detect(known_picture(96, 128)))

    @staticmethod
    def _demand_scrfd(session: PackSession) -> None:
        """Scores, then boxes, then points for each stride: its outputs, by their sizes."""
        shape = session.graph.get_inputs()[0].shape
        side = shape[2] if isinstance(shape[2], int) else _LOOK
        across = shape[3] if isinstance(shape[3], int) else _LOOK
        count = len(session.graph.get_outputs())
        if count not in _SCRFD_OUTPUTS or len(session.graph.get_inputs()) != 1:
            raise session.not_what_it_says("SCRFD detector with five points")
        strides, anchors = _SCRFD_OUTPUTS[count]
        batch = np.zeros((1, 3, side, across), np.float32)
        answers = session.graph.run(None, {session.graph.get_inputs()[0].name: batch})
        cells = [(side // stride) * (across // stride) * anchors for stride in strides]
        wanted = [(cell, width) for width in (1, 4, 10) for cell in cells]
        found = [np.asarray(answer).reshape(-1, np.asarray(answer).shape[-1]).shape for answer in answers]
        if found != wanted or not all(np.isfinite(answer).all() for answer in answers):
            raise session.not_what_it_says("SCRFD detector with five points")

    def _size(self, side: int) -> tuple[int, int]:
        """Width and height that the model is run at."""
        return (self._fixed[1], self._fixed[0]) if self._fixed else (side, side)

    def detect(self, pixels: NDArray[np.uint8]) -> tuple[PackFace, ...]:
        """Every box, of the picture as it is and of the picture in a wide frame; some are of one face.

        Args:
            pixels: (H, W, 3) uint8 RGB.

        Raises:
            CheckFailed: it answers what is no box, or more boxes than anybody can look at.
        """
        found: list[PackFace] = []
        for shown, scale, offset, side in self._views(pixels):
            boxes, points = self._ask(shown, self._size(side))
            if len(boxes) > _MOST_BOXES:
                raise CheckFailed("an operator's detector reports more boxes than can be faces")
            if not (np.isfinite(boxes).all() and np.isfinite(points).all()):
                raise CheckFailed("an operator's detector gave a box that is none")
            for row, landmarks in zip(boxes, points, strict=True):
                (left, top), (right, bottom) = ((row[:4].reshape(2, 2) - offset) / scale).tolist()
                if right - left > 1 and bottom - top > 1:
                    moved = ((landmarks - offset) / scale).astype(np.float32)
                    box = Box(left, top, right - left, bottom - top)
                    found.append(PackFace(box, min(1.0, float(row[4])), moved))
        return tuple(found)

    def _views(
        self, pixels: NDArray[np.uint8]
    ) -> Iterator[tuple[NDArray[np.uint8], float, NDArray[np.float32], int]]:
        """Views in BGR: their scale, how far they were moved right and down, the side they are run at."""
        picture = np.ascontiguousarray(pixels[:, :, ::-1])
        nowhere = np.zeros(2, np.float32)
        yield picture, 1.0, nowhere, _LOOK
        longest = max(picture.shape[:2])
        if longest > _LOOK and not self._fixed:
            yield picture, 1.0, nowhere, _LOOK_LARGE
        scale = min(1.0, _LOOK / longest)
        size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
        small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        framed = cv2.copyMakeBorder(small, size[1], size[1], size[0], size[0], cv2.BORDER_CONSTANT)
        yield np.asarray(framed, dtype=np.uint8), scale, np.array(size, np.float32), _LOOK

    def _ask(
        self, shown: NDArray[np.uint8], size: tuple[int, int]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Boxes with scores (n, 5) and points (n, 5, 2) of one view.

        Raises:
            CheckFailed: the library broke, or answered something else.
        """
        try:
            boxes, points = self._model.detect(shown, input_size=size)
            rows = np.asarray(boxes, np.float32).reshape(-1, 5)
            return rows, np.asarray(points, np.float32).reshape(len(rows), 5, 2)
        except Exception as error:
            raise CheckFailed(f"an operator's detector broke ({type(error).__name__})") from error


class PackEmbedder:
    """ArcFace, in three views as the first embedder has them.

    Raises:
        ModelUnavailable: insightface, a provider or the model is not there, or is not what is declared.
    """

    def __init__(self, file: ModelFile, providers: Sequence[str]) -> None:
        zoo, _ = _library()
        self._session = session = PackSession(file, providers)
        demand_shapes(session, ARCFACE_SIDE, range(16, 4097), "ArcFace embedder of 112 px")
        self._model: _Embedder = session.guarded(
            lambda: zoo.arcface_onnx.ArcFaceONNX(model_file=str(session.path), session=session.graph)
        )
        once, again = (session.guarded(lambda: self._unit([known_picture(112, 112)])) for _ in range(2))
        other = session.guarded(lambda: self._unit([known_picture(112, 112)[::-1]]))
        if not np.allclose(once, again, atol=1e-4) or np.allclose(once, other, atol=1e-4):
            raise session.not_what_it_says("embedder: it answers the same to all, or never the same")

    def embed(self, pixels: NDArray[np.uint8], landmarks: NDArray[np.float32]) -> NDArray[np.float32]:
        """Embed one face.

        Args:
            pixels: (H, W, 3) uint8 RGB.
            landmarks: float32 (5, 2), ArcFace order.

        Returns:
            float32 (3, dim), rows of unit norm.

        Raises:
            CheckFailed: it broke, or answered no vector.
        """
        straight = aligned(pixels, landmarks)
        smaller = aligned(pixels, landmarks, zoom=0.95)
        return self._unit([straight, straight[:, ::-1], smaller])

    def _unit(self, crops: list[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Rows of unit norm for (112, 112, 3) RGB crops."""
        try:
            flipped = [np.ascontiguousarray(crop[:, :, ::-1]) for crop in crops]
            rows = np.asarray(self._model.get_feat(flipped), np.float32).reshape(len(crops), -1)
        except Exception as error:
            raise CheckFailed(f"an operator's embedder broke ({type(error).__name__})") from error
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        if not np.isfinite(rows).all() or not (lengths > 1e-6).all():
            raise CheckFailed("an operator's embedder gave no usable vector")
        return np.asarray(rows / lengths, dtype=np.float32)


class PackAgeReader:
    """genderage; only the age is read.

    Raises:
        ModelUnavailable: insightface, a provider or the model is not there, or is not what is declared.
    """

    def __init__(self, file: ModelFile, providers: Sequence[str]) -> None:
        zoo, common = _library()
        self._session = session = PackSession(file, providers)
        demand_shapes(session, _AGE_SIDE, range(3, 4), "genderage model of 96 px")
        self._face: Callable[..., object] = common.Face
        self._model: _Reader = session.guarded(
            lambda: zoo.attribute.Attribute(model_file=str(session.path), session=session.graph)
        )

    def years(self, pixels: NDArray[np.uint8], box: Box) -> float:
        """Apparent age of the face in a box.

        Raises:
            CheckFailed: it broke, or answered no age.
        """
        corners = np.array([box.x, box.y, box.x + box.width, box.y + box.height], np.float32)
        try:
            picture = np.ascontiguousarray(pixels[:, :, ::-1])
            years = float(self._model.get(picture, self._face(bbox=corners))[1])
        except Exception as error:
            raise CheckFailed(f"an operator's age model broke ({type(error).__name__})") from error
        if not 0 <= years <= 130:
            raise CheckFailed("an operator's age model gave no age")
        return years
