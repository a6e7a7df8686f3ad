"""All detector passes over a picture on the device, as one fixed computation; only boxes come back."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from consent_edit.errors import CheckFailed
from consent_edit.perception.backends.torch.capture import Mode, Recorded
from consent_edit.perception.backends.torch.detections import (
    COLUMNS,
    blazeface_rows,
    centerface_rows,
    yunet_rows,
)
from consent_edit.perception.backends.torch.graph import TorchGraph
from consent_edit.perception.backends.torch.held import tensor_of
from consent_edit.perception.backends.torch.known import require_known
from consent_edit.perception.backends.torch.litert_graph import read_litert
from consent_edit.perception.backends.torch.model import TorchModel
from consent_edit.perception.backends.torch.onnx_graph import read_onnx
from consent_edit.perception.backends.torch.precision import exact
from consent_edit.perception.backends.torch.resampling import Resampler, planes_of
from consent_edit.perception.backends.torch.views import (
    DeviceViews,
    require_known_filters,
    shape_of,
    way_back,
)
from consent_edit.perception.faces.detectors import blazeface, centerface, yunet
from consent_edit.perception.faces.detectors.found import Found
from consent_edit.perception.faces.passes import Detector, DetectorPass, must_run
from consent_edit.perception.models.store import ModelStore
from consent_edit.perception.shown import Shown
from consent_edit.perception.views import View

MOST: Final = 256
"""Boxes of one look that come back at once; a look with more is asked again for all of them."""

_TILE, _TILE_OVERLAP = 2048, 256
_SHAPES: Final = 4
_BLAZE_SIDE: Final = 128
_NO_PIXELS: Final = np.zeros((0, 0, 3), np.uint8)


@dataclass(frozen=True, slots=True)
class Look:
    """One pass on one tile of its view.

    Attributes:
        index: Place of the pass in the list that must run.
        one: The pass.
        left: Where the tile begins in the view, pixels.
        top: The same, down.
        height: Rows of the tile.
        width: Columns of the tile.
    """

    index: int
    one: DetectorPass
    left: int
    top: int
    height: int
    width: int

    @property
    def shown(self) -> tuple[Detector, int, int]:
        """The family, and the rows and columns it is shown: looks alike in these are one batch."""
        if self.one.detector is Detector.BLAZEFACE:
            return self.one.detector, _BLAZE_SIDE, _BLAZE_SIDE
        return self.one.detector, -(-self.height // 32) * 32, -(-self.width // 32) * 32


@dataclass(frozen=True, slots=True)
class _Sized:
    """What pictures of one shape need: a recording reads the very weights that its resampler holds."""

    resampler: Resampler
    recorded: Recorded


def starts(length: int) -> range:
    """Where the tiles along one side of a view begin, as in ``detectors.yunet``."""
    return range(0, max(length - _TILE_OVERLAP, 1), _TILE - _TILE_OVERLAP)


def looks_at(height: int, width: int) -> list[Look]:
    """Every look that a picture of this size must have, those of one batch together."""
    found: list[Look] = []
    for index, one in enumerate(must_run(max(height, width))):
        rows, columns = shape_of(one.view, height, width)
        if one.detector is not Detector.YUNET:
            found.append(Look(index, one, 0, 0, rows, columns))
            continue
        found += [
            Look(index, one, left, top, min(_TILE, rows - top), min(_TILE, columns - left))
            for top in starts(rows)
            for left in starts(columns)
        ]
    return sorted(found, key=lambda look: (look.shown[0].value, *look.shown[1:], look.index))


class DeviceEyes:
    """Runs every pass.

    Args:
        store: Where the weights are.
        device: Where everything runs.

    Raises:
        ModelUnavailable: weights are missing or altered, a model fails its self-test on the device, or a
            pass has a filter not known here.
    """

    def __init__(self, store: ModelStore, device: torch.device) -> None:
        require_known_filters()
        self._device = device
        free = (0, 2, 3)
        read: dict[Detector, tuple[str, Callable[[bytes], TorchGraph]]] = {
            Detector.YUNET: (yunet.ROLE, lambda data: read_onnx(data, free_axes=free)),
            Detector.CENTERFACE: (centerface.ROLE, lambda data: read_onnx(data, free_axes=free)),
            Detector.BLAZEFACE: (blazeface.ROLE, read_litert),
        }
        self._graphs: dict[Detector, TorchGraph] = {}
        for detector, (role, reader) in read.items():
            model = TorchModel(reader(store.load(role).data), device)
            require_known(store, role, model)
            self._graphs[detector] = model.graph
        self._sizes: OrderedDict[tuple[int, ...], _Sized] = OrderedDict()

    @property
    def modes(self) -> Mapping[tuple[int, ...], Mode]:
        """Shape of a picture -> how it is computed; of the last few shapes."""
        return {shape: mode for each in self._sizes.values() for shape, mode in each.recorded.modes.items()}

    def _sized(self, shape: tuple[int, ...]) -> _Sized:
        """What is kept for pictures of one shape; the one longest unused goes, with all it reads."""
        if shape not in self._sizes:
            resampler = Resampler(self._device)
            recorded = Recorded(lambda pixels: self._answers(pixels, MOST, resampler), most=1)
            self._sizes[shape] = _Sized(resampler, recorded)
        self._sizes.move_to_end(shape)
        if len(self._sizes) > _SHAPES:
            self._sizes.popitem(last=False)
        return self._sizes[shape]

    def found(
        self, picture: Shown | Tensor | NDArray[np.uint8]
    ) -> Iterator[tuple[DetectorPass, View, Found]]:
        """Every pass in the order of the list, its view without pixels, and the boxes in it.

        Args:
            picture: uint8 (H, W, 3) RGB, on the device or to be brought there.

        Raises:
            CheckFailed: the device broke, or a network's answer is no number.
        """
        shape = picture.pixels.shape if isinstance(picture, Shown) else picture.shape
        height, width = int(shape[0]), int(shape[1])
        looks = looks_at(height, width)
        rows, told = self._told(picture, looks)
        parts: dict[int, list[Found]] = {}
        for look, values, count in zip(looks, rows, told.tolist(), strict=True):
            parts.setdefault(look.index, []).append(_found(look, values[: round(count)]))
        for index, one in enumerate(must_run(max(height, width))):
            view = View(_NO_PIXELS, way_back(one.view, height, width))
            yield one, view, _joined(parts[index])

    def _told(
        self, picture: Shown | Tensor | NDArray[np.uint8], looks: Sequence[Look]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The rows and the counts of all looks; nothing is cut off, however many boxes a picture provokes.

        Raises:
            CheckFailed: the device broke, or an answer is no number.
        """
        try:
            with exact():
                shown = tensor_of(picture, self._device)
                sized = self._sized(tuple(shown.shape))
                answers = sized.recorded(shown)
                packed = torch.cat([answers["told"][:, None], answers["rows"].flatten(1)], dim=1)
                host = packed.cpu().numpy()
                told = host[:, 0].copy()
                if np.isnan(told).any():
                    raise CheckFailed("a detector on the device gave no usable answer")
                if told.max(initial=0) > MOST:
                    every = self._answers(shown, int(told.max()), sized.resampler)["rows"]
                    return every.cpu().numpy(), told
        except RuntimeError as error:
            raise CheckFailed(f"the device broke ({type(error).__name__})") from error
        return host[:, 1:].reshape(len(looks), -1, COLUMNS), told

    def _answers(self, pixels: Tensor, most: int, resampler: Resampler) -> dict[str, Tensor]:
        """The fixed computation: rows (looks, most, 15) and counts (looks,), in the order of ``looks_at``."""
        height, width = int(pixels.shape[0]), int(pixels.shape[1])
        views = DeviceViews(planes_of(pixels), resampler)
        rows, told = [], []
        looks = looks_at(height, width)
        for shown in dict.fromkeys(look.shown for look in looks):
            batch = [look for look in looks if look.shown == shown]
            least = _thresholds(batch, self._device)
            found, count = self._batch(shown, [_tile(views, look) for look in batch], least, most)
            rows.append(found)
            told.append(count)
        return {"rows": torch.cat(rows), "told": torch.cat(told)}

    def _batch(
        self, shown: tuple[Detector, int, int], tiles: Sequence[Tensor], least: Tensor, most: int
    ) -> tuple[Tensor, Tensor]:
        """One family on tiles of one shape."""
        detector, height, width = shown
        batch = torch.stack(
            [functional.pad(tile, (0, width - tile.shape[2], 0, height - tile.shape[1])) for tile in tiles]
        )
        graph = self._graphs[detector]
        match detector:
            case Detector.YUNET:
                return yunet_rows(graph(batch.flip(1)), width, least, most)
            case Detector.CENTERFACE:
                return centerface_rows(graph(batch), least, most)
            case Detector.BLAZEFACE:
                scaled = batch.permute(0, 2, 3, 1) * (1 / 127.5) - 1
                return blazeface_rows(graph(scaled), least, most)


def _thresholds(looks: Sequence[Look], device: torch.device) -> Tensor:
    """float32 (n,), filled on the device: a recorded computation takes nothing from the host."""
    return torch.cat([torch.full((1,), look.one.threshold, device=device) for look in looks])


def _tile(views: DeviceViews, look: Look) -> Tensor:
    shown = views.show(look.one.view)
    return shown[:, look.top : look.top + look.height, look.left : look.left + look.width]


def _found(look: Look, rows: NDArray[np.float32]) -> Found:
    """The boxes of one look, in pixels of the pass's view.

    Raises:
        CheckFailed: a value is no number.
    """
    if not np.isfinite(rows).all():
        raise CheckFailed("a detector on the device gave no usable answer")
    shift = np.array([look.left, look.top], np.float32)
    corners, points = rows[:, 1:5].reshape(-1, 2, 2), rows[:, 5:].reshape(-1, 5, 2)
    return Found(corners + shift, points + shift, rows[:, 0])


def _joined(parts: Sequence[Found]) -> Found:
    if len(parts) == 1:
        return parts[0]
    return Found(
        np.concatenate([part.corners for part in parts]),
        np.concatenate([part.points for part in parts]),
        np.concatenate([part.scores for part in parts]),
    )
