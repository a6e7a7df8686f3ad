"""OpenNSFW on the device: its views are cut, shrunk, put through a JPEG's loss and scored there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from consent_edit.errors import CheckFailed
from consent_edit.perception.backends.torch.capture import Mode
from consent_edit.perception.backends.torch.held import planes_on
from consent_edit.perception.backends.torch.jpeg import JpegLoss
from consent_edit.perception.backends.torch.known import require_known
from consent_edit.perception.backends.torch.model import TorchModel
from consent_edit.perception.backends.torch.onnx_graph import read_onnx
from consent_edit.perception.backends.torch.precision import exact
from consent_edit.perception.backends.torch.resampling import Resampler
from consent_edit.perception.exposure import look as exposure
from consent_edit.perception.exposure.views import View
from consent_edit.perception.models.store import ModelStore
from consent_edit.perception.shown import Shown


class ExposureViews:
    """Prepares views for OpenNSFW: 256 px, the middle 224, the loss of a JPEG, BGR with the mean taken off.

    Args:
        device: Where the pictures are.
        resampler: Keeps the weights of the sizes.
        lossy: Whether the JPEG's loss is there; only a measurement leaves it out.
    """

    def __init__(self, device: torch.device, resampler: Resampler, *, lossy: bool = True) -> None:
        self._resampler = resampler
        self._loss = JpegLoss(device) if lossy else None
        self._mean = torch.tensor([104.0, 117.0, 123.0], device=device)

    def prepared(self, planes: Tensor, views: Sequence[View]) -> Tensor:
        """Float32 (n, 224, 224, 3) of views of a picture, float32 (3, H, W)."""
        batch = torch.stack([self._cut(planes, view) for view in views])
        if self._loss is not None:
            batch = self._loss(batch)
        return batch.permute(0, 2, 3, 1).flip(3) - self._mean

    def _cut(self, planes: Tensor, view: View) -> Tensor:
        left, top, right, bottom = view.corners
        shown = torch.rot90(planes[:, top:bottom, left:right], view.turns, (1, 2))
        return self._resampler.softened(shown, 256, 256)[:, 16:240, 16:240]


class DeviceExposure:
    """OpenNSFW.

    Args:
        store: Where the weights are.
        device: Where it runs.

    Raises:
        ModelUnavailable: the weights are missing or altered, or fail their self-test on the device.
    """

    def __init__(self, store: ModelStore, device: torch.device) -> None:
        self._device = device
        self._views = ExposureViews(device, Resampler(device))
        self._model = TorchModel(read_onnx(store.load(exposure.ROLE).data, free_axes=(0,)), device)
        require_known(store, exposure.ROLE, self._model)

    @property
    def modes(self) -> Mapping[tuple[int, ...], Mode]:
        """Shape of a batch -> how it is computed."""
        return self._model.modes

    def scores(
        self, picture: Shown | Tensor | NDArray[np.uint8], views: Sequence[View]
    ) -> NDArray[np.float32]:
        """The score of each view, float32 (n,).

        Args:
            picture: uint8 (H, W, 3) RGB, on the device or to be brought there.
            views: From ``exposure_views``.

        Raises:
            CheckFailed: the device broke, or a score is no number.
        """
        try:
            with exact():
                batch = self._views.prepared(planes_on(picture, self._device), views)
            answers = self._model.run_tensor(batch)[self._model.output_names[0]]
            scores = np.asarray(answers[:, 1].cpu().numpy(), dtype=np.float32)
        except RuntimeError as error:
            raise CheckFailed(f"the device broke ({type(error).__name__})") from error
        if not np.isfinite(scores).all():
            raise CheckFailed("the exposure model gave no number")
        return scores


class DeviceSquares:
    """The second exposure family's views, squeezed into squares as Pillow does, and its answers to them.

    Args:
        model: The family's model.
        device: Where it runs.
    """

    def __init__(self, model: TorchModel, device: torch.device) -> None:
        self._model = model
        self._device = device
        self._resampler = Resampler(device)

    def answers(self, picture: Shown, views: Sequence[View], side: int, output: str) -> NDArray[np.float32]:
        """One output of the model, float32 (views, n).

        Args:
            picture: uint8 (H, W, 3) RGB.
            views: Where to look.
            side: Of the squares, pixels.
            output: Its name.

        Raises:
            CheckFailed: the device broke.
        """
        try:
            with exact():
                planes = planes_on(picture, self._device)
                batch = torch.stack([self._square(planes, view, side) for view in views])
            answers = self._model.run_tensor(batch.permute(0, 2, 3, 1).contiguous() / 255)
            return np.asarray(answers[output].cpu().numpy(), dtype=np.float32)
        except RuntimeError as error:
            raise CheckFailed(f"the device broke ({type(error).__name__})") from error

    def _square(self, planes: Tensor, view: View, side: int) -> Tensor:
        left, top, right, bottom = view.corners
        shown = torch.rot90(planes[:, top:bottom, left:right], view.turns, (1, 2))
        return self._resampler.softened(shown, side, side)
