"""Faces on the device: brought upright there, all of them in one run of each model that reads them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from consent_edit.errors import CheckFailed
from consent_edit.perception.backends.dlib import DlibLandmarks
from consent_edit.perception.backends.dlib_graph import SIDE
from consent_edit.perception.backends.torch.chips import aligned
from consent_edit.perception.backends.torch.held import planes_on
from consent_edit.perception.backends.torch.model import TorchModel
from consent_edit.perception.backends.torch.precision import exact
from consent_edit.perception.backends.torch.resampling import Resampler, warped
from consent_edit.perception.faces.alignment import around
from consent_edit.perception.faces.embedding import (
    CANVAS,
    CANVAS_BOX,
    CANVAS_ZOOM,
    SMALLER,
    chip_maps,
    unit_rows,
)
from consent_edit.perception.shown import Shown

Floats = NDArray[np.float32]
_MESH_SIDE: Final = 192


class DeviceFaces:
    """Cuts faces out of a picture on the device and asks a model about them.

    Args:
        model: The model.
        device: Where it runs.
    """

    def __init__(self, model: TorchModel, device: torch.device) -> None:
        self._model = model
        self._device = device
        self._resampler = Resampler(device)

    def first(self, picture: Shown | Tensor, faces: Sequence[Floats]) -> list[Floats]:
        """The first embedder's views of each face, rows of unit norm, float32 (3, dim) each.

        Args:
            picture: uint8 (H, W, 3) RGB.
            faces: float32 (5, 2) each, ArcFace order.

        Raises:
            CheckFailed: the device broke, or the embedder gave no usable vector.
        """
        chips: list[Tensor] = []
        with _guarded(), exact():
            planes = planes_on(picture, self._device)
            for points in faces:
                straight = aligned(planes, points, self._resampler)
                chips += [
                    straight,
                    straight.flip(2),
                    aligned(planes, points, self._resampler, zoom=SMALLER),
                ]
        return self._embedded(chips, len(faces))

    def second(
        self, picture: Shown | Tensor, faces: Sequence[Floats], landmarks: DlibLandmarks
    ) -> list[Floats]:
        """The second embedder's views of each face, straight and mirrored in turn; as :meth:`first`.

        The one thing that crosses to the host is each upright canvas, 300 px a side: dlib's points are found
        there.
        """
        chips: list[Tensor] = []
        with _guarded(), exact():
            planes = planes_on(picture, self._device)
            for points in faces:
                canvas = aligned(planes, points, self._resampler, side=CANVAS, zoom=CANVAS_ZOOM)
                shown = np.ascontiguousarray(canvas.to(torch.uint8).permute(1, 2, 0).cpu().numpy())
                maps = np.stack(chip_maps(landmarks.points(shown, CANVAS_BOX)))
                for chip in warped(canvas, maps, SIDE):
                    chips += [chip, chip.flip(2)]
        return self._embedded(chips, len(faces))

    def presence(
        self, picture: Shown | Tensor, landmarks: Floats, *, zoom: float, ways: Sequence[bool], answer: str
    ) -> Floats:
        """The face mesh's logits of one face, float32 (ways,).

        Args:
            picture: uint8 (H, W, 3) RGB.
            landmarks: float32 (5, 2), ArcFace order.
            zoom: Size of the face, as in :func:`consent_edit.perception.faces.alignment.aligned`.
            ways: Whether each look inverts the crop.
            answer: The output that holds the logit.

        Raises:
            CheckFailed: the device broke.
        """
        with _guarded(), exact():
            planes = planes_on(picture, self._device)
            left, top, right, bottom = around(landmarks, (int(planes.shape[2]), int(planes.shape[1])))
            part, start = planes[:, top:bottom, left:right], np.array([left, top], np.float32)
            crop = aligned(part, landmarks - start, self._resampler, side=_MESH_SIDE, zoom=zoom)
            batch = torch.stack([255 - crop if inverted else crop for inverted in ways])
            told = self._model.run_tensor(batch.permute(0, 2, 3, 1).contiguous() * (1 / 255))
            return np.asarray(told[answer].reshape(len(ways), -1)[:, 0].cpu().numpy(), dtype=np.float32)

    def _embedded(self, chips: Sequence[Tensor], faces: int) -> list[Floats]:
        """Unit rows of as many faces, of equally many chips each."""
        if not faces:
            return []
        with _guarded():
            answers = self._model.run_tensor(torch.stack(list(chips)))[self._model.output_names[0]]
            rows = np.asarray(answers.cpu().numpy(), dtype=np.float32)
        return [unit_rows(part) for part in np.split(rows, faces)]


class _guarded:  # noqa: N801 - used as a statement
    """Turns the device's own errors into a check's."""

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, RuntimeError):
            raise CheckFailed(f"the device broke ({type(error).__name__})") from error
