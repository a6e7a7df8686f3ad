"""Exposure of a picture and of everybody in it: two families over fixed crops and over each person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from consent_edit.errors import CheckFailed
from consent_edit.perception.exposure.fusion import Answer, Look, reading_of
from consent_edit.perception.exposure.second import SecondFamily, installed
from consent_edit.perception.exposure.views import WHOLE, View, fixed_views, person_views
from consent_edit.perception.models.selftest import fingerprint, known_picture, require_known_answer
from consent_edit.perception.models.store import ModelStore
from consent_edit.perception.observation import ModelUse, PersonObservation, PictureExposure
from consent_edit.perception.shown import Pixels, Shown
from consent_edit.thresholds import Thresholds

ROLE: Final = "exposure"

_SMALL: Final = 256
_SIDE: Final = 224
_EDGE: Final = (_SMALL - _SIDE) // 2
_MIDDLE: Final = (_EDGE, _EDGE, _SMALL - _EDGE, _SMALL - _EDGE)
_JPEG: Final = (cv2.IMWRITE_JPEG_QUALITY, 75)
_MEAN_BGR: Final = np.array([104, 117, 123], dtype=np.float32)
_MEAN_PICTURE: Final = np.tile(_MEAN_BGR, (_SIDE, _SIDE, 1))


def prepared(crops: Sequence[Image.Image]) -> NDArray[np.float32]:
    """Yahoo's own preparation: 256 x 256, middle 224, through JPEG, BGR with the mean taken off.

    Args:
        crops: RGB, of any size.

    Returns:
        float32 (n, 224, 224, 3).
    """
    batch = np.empty((len(crops), _SIDE, _SIDE, 3), np.float32)
    for row, crop in zip(batch, crops, strict=True):
        bgr = cv2.cvtColor(np.asarray(_middle(crop)), cv2.COLOR_RGB2BGR)
        _, file = cv2.imencode(".jpg", bgr, _JPEG)
        decoded = np.asarray(cv2.imdecode(file, cv2.IMREAD_COLOR), dtype=np.uint8)
        np.subtract(decoded, _MEAN_PICTURE, out=row)
    return batch


def _middle(crop: Image.Image) -> Image.Image:
    """The middle 224 px of a crop brought to 256 by 256.

    What is cut off is not made where Pillow shrinks columns first: each row and column is then the same
    whichever others are made. (Since 13 it begins with the rows of tall pictures.)
    """
    width, height = crop.size
    inner = (width / _SMALL * _EDGE, height / _SMALL * _EDGE)
    if height - _SIDE > 2 * max(width - 2 * inner[0] - _SIDE, 0):
        return crop.resize((_SMALL, _SMALL), Image.Resampling.BILINEAR).crop(_MIDDLE)
    box = (*inner, width - inner[0], height - inner[1])
    return crop.resize((_SIDE, _SIDE), Image.Resampling.BILINEAR, box=box)


class ExposureCheck:
    """OpenNSFW, and the second family where its files are installed; ``uses`` says which ran.

    Raises:
        ModelUnavailable: OpenNSFW's weights are missing; any weights are altered or fail their self-test.
    """

    def __init__(self, store: ModelStore, limits: Thresholds) -> None:
        file = store.load(ROLE)
        self._limits = limits
        self._model = store.backend.onnx(file.data, free_axes=(0,))
        known = known_picture(224, 224).astype(np.float32)
        shades = np.stack([known * share + 110 * (1 - share) - _MEAN_BGR for share in (0.0, 0.1, 0.2, 0.4)])
        answer = self._model.run(shades.astype(np.float32))[self._model.output_names[0]]
        require_known_answer(store, ROLE, answer)
        self.known_answers = {ROLE: fingerprint(answer)}
        use = ModelUse(ROLE, file.sha256, threshold=limits.exposure_nude_whole, self_test=True)
        self.uses: tuple[ModelUse, ...] = (use,)
        self._device = store.backend.exposure(store)
        self._second = SecondFamily(store, limits) if installed(store) else None
        if self._second is not None:
            self.known_answers |= self._second.known_answers
            self.uses += self._second.uses

    def read(self, picture: Shown | Pixels, people: Sequence[PersonObservation]) -> PictureExposure:
        """Read a picture.

        Args:
            picture: (H, W, 3) uint8 RGB.
            people: Everybody found in it.

        Returns:
            The picture's reading; one per person, in the order given; and that of the fixed crops in which
            nobody stands.

        Raises:
            CheckFailed: a score is no number, or somebody has none.
        """
        shown = Shown.of(picture)
        width, height = shown.size
        fixed = fixed_views(width, height)
        around = person_views(people, width, height, round(self._limits.exposure_person_views))
        looks = self._look(shown, (*fixed, *around), people)
        everywhere, persons = looks[: len(fixed)], looks[len(fixed) :]
        own = [[look for look in persons if i in look.view.who] for i in range(len(people))]
        if not all(own):
            raise CheckFailed("somebody's exposure was not looked at")
        empty = [look for look in everywhere if not look.anybody and look.view.name != WHOLE]
        return PictureExposure(
            picture=reading_of(everywhere, self._limits),
            persons=tuple(reading_of(look, self._limits) for look in own),
            elsewhere=reading_of(empty, self._limits),
        )

    def _answers(
        self, shown: Shown, views: Sequence[View]
    ) -> tuple[NDArray[np.float32], list[Answer] | None]:
        """OpenNSFW's score of each view, and the second family's answer where it is installed."""
        if self._device is not None:  # it cuts them out itself
            second = None if self._second is None else self._second.look(shown, views)
            return self._device.scores(shown, views), second
        whole = Image.fromarray(shown.pixels)
        crops = [view.cut(whole) for view in views]
        second = None if self._second is None else self._second.read(crops)
        return self._model.run(prepared(crops))[self._model.output_names[0]][:, 1], second

    def _look(self, shown: Shown, views: Sequence[View], people: Sequence[PersonObservation]) -> list[Look]:
        """What the models say of every view, and whether anybody found stands in it."""
        scores, answers = self._answers(shown, views)
        if not np.isfinite(scores).all():
            raise CheckFailed("the exposure model gave no number")
        return [
            Look(
                view,
                min(max(float(score), 0.0), 1.0),
                None if answers is None else answers[i],
                anybody=bool(view.who) or any(view.holds(person.box) for person in people),
            )
            for i, (view, score) in enumerate(zip(views, scores, strict=True))
        ]
