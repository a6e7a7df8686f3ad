"""Everything the device answers about one picture: boxes, exposure scores and embeddings, and no pixels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from consent_edit.perception import views
from consent_edit.perception.backends.dlib import DlibLandmarks
from consent_edit.perception.backends.dlib_graph import dlib_onnx
from consent_edit.perception.backends.torch.capture import Mode
from consent_edit.perception.backends.torch.exposure import DeviceExposure
from consent_edit.perception.backends.torch.eyes import DeviceEyes
from consent_edit.perception.backends.torch.faces import DeviceFaces
from consent_edit.perception.backends.torch.known import require_known
from consent_edit.perception.backends.torch.model import TorchModel
from consent_edit.perception.backends.torch.onnx_graph import read_onnx
from consent_edit.perception.backends.torch.precision import device_of, runtime_name
from consent_edit.perception.backends.torch.resampling import held
from consent_edit.perception.exposure.views import View
from consent_edit.perception.faces.detectors.found import Found
from consent_edit.perception.faces.embedding import FIRST, LANDMARKS, SECOND
from consent_edit.perception.faces.passes import DetectorPass
from consent_edit.perception.models.store import ModelStore


class DeviceLook:
    """The models that look at a whole picture or at many crops of it, on one device.

    What comes back is small, and goes through the very post-processing the CPU path uses. The picture is
    handed over once. The one thing that crosses in between is the second embedder's upright canvas, 300 px a
    side, because dlib's points are found on the CPU.

    Args:
        store: Where the weights are.
        device: Such as ``cuda:0`` or ``cpu``.

    Attributes:
        runtime: What a record says ran.

    Raises:
        ModelUnavailable: weights are missing or altered, a graph is not known, a model fails its self-test
            on the device, or there is no such device.
    """

    def __init__(self, store: ModelStore, device: str) -> None:
        self._device = device_of(device)
        self.runtime = runtime_name(self._device)
        self._eyes = DeviceEyes(store, self._device)
        self._exposure = DeviceExposure(store, self._device)
        self._embedders = {role: self._model(store, role) for role in (FIRST, SECOND)}
        self._first, self._second = (DeviceFaces(each, self._device) for each in self._embedders.values())
        self._points = DlibLandmarks(store.load(LANDMARKS))

    def _model(self, store: ModelStore, role: str) -> TorchModel:
        data = store.load(role).data
        data = dlib_onnx(data) if role == SECOND else data
        model = TorchModel(read_onnx(data, free_axes=(0,)), self._device)
        require_known(store, role, model)
        return model

    @property
    def modes(self) -> Mapping[str, Mode]:
        """What was computed -> how."""
        parts = (
            ("eyes", self._eyes),
            ("exposure", self._exposure),
            ("first embedder", self._embedders[FIRST]),
            ("second embedder", self._embedders[SECOND]),
        )
        return {f"{name} {shape}": mode for name, part in parts for shape, mode in part.modes.items()}

    def held(self, pixels: NDArray[np.uint8]) -> Tensor:
        """A picture brought to the device: uint8 (H, W, 3) RGB."""
        return held(pixels, self._device)

    def found(self, pixels: Tensor) -> Iterator[tuple[DetectorPass, views.View, Found]]:
        """Every pass in the order of the list, its view without pixels, and the boxes in it.

        Args:
            pixels: uint8 (H, W, 3) RGB on the device.

        Raises:
            CheckFailed: the device broke, or a network's answer is no number.
        """
        return self._eyes.found(pixels)

    def exposed(self, pixels: Tensor, crops: Sequence[View]) -> NDArray[np.float32]:
        """OpenNSFW's score of each view; as :meth:`DeviceExposure.scores`."""
        return self._exposure.scores(pixels, crops)

    def embedded(self, pixels: Tensor, faces: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        """The first embedder's views of each face, rows of unit norm, float32 (3, 128) each.

        Args:
            pixels: uint8 (H, W, 3) RGB on the device.
            faces: float32 (5, 2) each, ArcFace order.

        Raises:
            CheckFailed: the device broke, or an embedder gave no usable vector.
        """
        return self._first.first(pixels, faces)

    def embedded_second(
        self, pixels: Tensor, faces: Sequence[NDArray[np.float32]]
    ) -> list[NDArray[np.float32]]:
        """The second embedder's views of each face, straight and mirrored in turn; as :meth:`embedded`."""
        return self._second.second(pixels, faces, self._points)
