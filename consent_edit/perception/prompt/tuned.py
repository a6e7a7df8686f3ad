"""The second encoder's upper layers and heads as trained on edit prompts: shipped, eight bits a weight."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from consent_edit.errors import ModelUnavailable
from consent_edit.perception.models.lock import ModelFile
from consent_edit.perception.prompt.transformer import Layer, Weighted
from consent_edit.vocabulary import Operation

TUNED_ROLE: Final = "sentence-encoder-tuned"
FIRST_TUNED: Final = 4
"""Layers below this one are the carrier's own."""

LAYERS: Final = 12
WIDTH: Final = 384
INNER: Final = 1536

_MATRICES: Final = {
    "attend": (WIDTH, 3 * WIDTH),
    "gather": (WIDTH, WIDTH),
    "widen": (WIDTH, INNER),
    "narrow": (INNER, WIDTH),
}
_NORMS: Final = ("gather_norm", "norm")
ANSWERS: Final = 3 + len(Operation)
"""Columns of the heads: exposing, sexual where exposing, a person named, then each operation in order."""

_SHAPES: Final = (
    {
        f"{number}.{name}.weights": shape
        for number in range(FIRST_TUNED, LAYERS)
        for name, shape in _MATRICES.items()
    }
    | {
        f"{number}.{name}.{part}": (shape[1],)
        for number in range(FIRST_TUNED, LAYERS)
        for name, shape in _MATRICES.items()
        for part in ("scale", "plus")
    }
    | {
        f"{number}.{name}.{part}": (WIDTH,)
        for number in range(FIRST_TUNED, LAYERS)
        for name in _NORMS
        for part in ("scale", "plus")
    }
    | {"heads.weights": (WIDTH, ANSWERS), "heads.plus": (ANSWERS,)}
)


@dataclass(frozen=True, slots=True, eq=False)
class Tuned:
    """What was trained.

    Attributes:
        layers: Layers ``FIRST_TUNED`` to the last.
        heads: (384, 17) and (17,): log odds of each answer from the mean over a text's pieces.
    """

    layers: tuple[Layer, ...]
    heads: Weighted


def pack(tuned: Tuned) -> dict[str, NDArray[np.generic]]:
    """The arrays of the file: of the layers whole numbers -127 to 127 and a scale an output."""
    weights, plus = tuned.heads
    arrays: dict[str, NDArray[np.generic]] = {"heads.weights": weights, "heads.plus": plus}
    for number, layer in enumerate(tuned.layers, start=FIRST_TUNED):
        for name in _MATRICES:
            weights, plus = getattr(layer, name)
            scale = (np.abs(weights).max(axis=0) / 127.0).astype(np.float32)
            arrays[f"{number}.{name}.weights"] = np.rint(weights / scale).astype(np.int8)
            arrays[f"{number}.{name}.scale"] = scale
            arrays[f"{number}.{name}.plus"] = plus.astype(np.float32)
        for name in _NORMS:
            scale, plus = getattr(layer, name)
            arrays[f"{number}.{name}.scale"] = scale.astype(np.float32)
            arrays[f"{number}.{name}.plus"] = plus.astype(np.float32)
    return arrays


def unpack(file: ModelFile) -> Tuned:
    """Read layers and heads from the bytes that were hashed; no pickle.

    Raises:
        ModelUnavailable: not an npz of exactly these arrays, or a number that is not finite.
    """
    try:
        with np.load(io.BytesIO(file.data), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        if {name: array.shape for name, array in arrays.items()} != _SHAPES:
            raise ValueError("other arrays")
        read = {name: array.astype(np.float32, casting="safe") for name, array in arrays.items()}
        if not all(np.isfinite(array).all() for array in read.values()):
            raise ValueError("not finite")
    except Exception as error:  # a damaged archive raises many things: all of them refuse
        raise ModelUnavailable(
            f"the trained layers of the sentence encoder cannot be read ({type(error).__name__})",
            remedy="reinstall consent-edit",
        ) from error
    layers = tuple(_layer(read, number) for number in range(FIRST_TUNED, LAYERS))
    return Tuned(layers, (read["heads.weights"], read["heads.plus"]))


def _layer(read: dict[str, NDArray[np.float32]], number: int) -> Layer:
    def matrix(name: str) -> Weighted:
        own = f"{number}.{name}"
        return read[f"{own}.weights"] * read[f"{own}.scale"], read[f"{own}.plus"]

    def norm(name: str) -> Weighted:
        return read[f"{number}.{name}.scale"], read[f"{number}.{name}.plus"]

    return Layer(
        attend=matrix("attend"),
        gather=matrix("gather"),
        gather_norm=norm("gather_norm"),
        widen=matrix("widen"),
        narrow=matrix("narrow"),
        norm=norm("norm"),
    )
