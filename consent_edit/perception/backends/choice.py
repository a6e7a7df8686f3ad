"""Which runtime the models run on: a value that travels to the perception process and into every record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib import metadata
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from consent_edit.errors import ModelUnavailable

if TYPE_CHECKING:
    from consent_edit.perception.backends.torch.exposure import DeviceExposure, DeviceSquares
    from consent_edit.perception.backends.torch.eyes import DeviceEyes
    from consent_edit.perception.backends.torch.faces import DeviceFaces
    from consent_edit.perception.models.store import ModelStore


Batch: TypeAlias = NDArray[np.float32] | NDArray[np.uint8]
"""Numbers, or levels from 0 to 255 where a model was loaded to take them."""


class Kind(StrEnum):
    """The runtimes."""

    CPU = "cpu"
    """ONNX Runtime and LiteRT, one thread; what the thresholds were measured with."""

    TORCH = "torch"
    """The same files read into torch, on a device."""


class Model(Protocol):
    """A model of either runtime."""

    output_names: tuple[str, ...]

    def run(self, batch: Batch, /) -> dict[str, NDArray[np.float32]]:
        """Output name -> float32 array, for float32, or levels if so loaded, in the graph's own layout."""


@dataclass(frozen=True, slots=True)
class Backend:
    """How models are run. Both runtimes read the very bytes that were hashed, and pass the same self-tests.

    Attributes:
        kind: The runtime.
        device: For torch, where: ``cpu``, ``cuda:0``.
    """

    kind: Kind = Kind.CPU
    device: str = "cpu"

    @classmethod
    def named(cls, name: str) -> Backend:
        """The backend that an operator's file names: ``cpu``, or for torch a device, or ``torch-cpu``.

        Whether there is such a device is found out when a model is loaded.
        """
        return cls() if name == "cpu" else cls(Kind.TORCH, name.removeprefix("torch-"))

    def onnx(self, data: bytes, *, free_axes: Sequence[int] = (), levels: bool = False) -> Model:
        """A model of an ONNX file.

        Args:
            data: The file's bytes.
            free_axes: Axes of the input whose size may vary from call to call.
            levels: Whether it is given uint8 of 0 to 255 for the float32 of the file.

        Raises:
            ModelUnavailable: the runtime is not installed, sees no such device, or does not take the graph.
        """
        match self.kind:
            case Kind.CPU:
                from consent_edit.perception.backends.onnx import OnnxModel

                return OnnxModel(data, free_axes=free_axes, levels=levels)
            case Kind.TORCH:
                _require_torch()
                from consent_edit.perception.backends.torch.model import TorchModel
                from consent_edit.perception.backends.torch.onnx_graph import read_onnx
                from consent_edit.perception.backends.torch.precision import device_of

                return TorchModel(read_onnx(data, free_axes=free_axes), device_of(self.device))

    def litert(self, data: bytes) -> Model:
        """A model of a LiteRT file; its input keeps the file's shape.

        Raises:
            ModelUnavailable: as for :meth:`onnx`.
        """
        match self.kind:
            case Kind.CPU:
                from consent_edit.perception.backends.litert import LiteRtModel

                return LiteRtModel(data)
            case Kind.TORCH:
                _require_torch()
                from consent_edit.perception.backends.torch.litert_graph import read_litert
                from consent_edit.perception.backends.torch.model import TorchModel
                from consent_edit.perception.backends.torch.precision import device_of

                return TorchModel(read_litert(data), device_of(self.device))

    def eyes(self, store: ModelStore) -> DeviceEyes | None:
        """All detector passes as one computation; ``None`` for the CPU, which takes view after view.

        Raises:
            ModelUnavailable: as for :meth:`onnx`, or a model fails its self-test on the device.
        """
        if self.kind is Kind.CPU:
            return None
        _require_torch()
        from consent_edit.perception.backends.torch.eyes import DeviceEyes
        from consent_edit.perception.backends.torch.precision import device_of

        return DeviceEyes(store, device_of(self.device))

    def exposure(self, store: ModelStore) -> DeviceExposure | None:
        """OpenNSFW with its preparation on the device; ``None`` for the CPU.

        Raises:
            ModelUnavailable: as for :meth:`eyes`.
        """
        if self.kind is Kind.CPU:
            return None
        _require_torch()
        from consent_edit.perception.backends.torch.exposure import DeviceExposure
        from consent_edit.perception.backends.torch.precision import device_of

        return DeviceExposure(store, device_of(self.device))

    def faces(self, model: Model) -> DeviceFaces | None:
        """What cuts faces out on the device for one of this backend's models; ``None`` for the CPU."""
        if self.kind is Kind.CPU:
            return None
        from consent_edit.perception.backends.torch.faces import DeviceFaces
        from consent_edit.perception.backends.torch.model import TorchModel
        from consent_edit.perception.backends.torch.precision import device_of

        return DeviceFaces(model, device_of(self.device)) if isinstance(model, TorchModel) else None

    def squares(self, model: Model) -> DeviceSquares | None:
        """What cuts a picture's views out on the device for the second exposure family; as :meth:`faces`."""
        if self.kind is Kind.CPU:
            return None
        from consent_edit.perception.backends.torch.exposure import DeviceSquares
        from consent_edit.perception.backends.torch.model import TorchModel
        from consent_edit.perception.backends.torch.precision import device_of

        return DeviceSquares(model, device_of(self.device)) if isinstance(model, TorchModel) else None

    def runtime(self, file: str) -> str:
        """What a record says ran a file: the runtime, its version and the device.

        Args:
            file: The file's name; its ending tells which CPU runtime reads it.

        Raises:
            ModelUnavailable: the runtime is not installed, or sees no such device.
        """
        match self.kind:
            case Kind.CPU:
                return _installed("ai-edge-litert" if file.endswith(".tflite") else "onnxruntime") + "-cpu"
            case Kind.TORCH:
                _require_torch()
                from consent_edit.perception.backends.torch.precision import device_of, runtime_name

                return runtime_name(device_of(self.device))


def _installed(package: str) -> str:
    try:
        return f"{package}-{metadata.version(package)}"
    except metadata.PackageNotFoundError as error:
        raise ModelUnavailable(
            f"{package} is not installed", remedy="pip install 'consent-edit[perception]'"
        ) from error


def _require_torch() -> None:
    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise ModelUnavailable(
            "the torch backend needs torch, which is not installed",
            remedy="pip install 'consent-edit[diffusers]', or use the CPU backend: Backend()",
        ) from error
