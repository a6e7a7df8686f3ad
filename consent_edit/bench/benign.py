"""Ordinary pictures by kind: how often each check says that somebody, or something, is there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from consent_edit.bench.faces import Finder
from consent_edit.bench.labelled import read_picture
from consent_edit.errors import ArgumentRejected
from consent_edit.vocabulary import PersonKind

_ENDINGS: Final = frozenset({".jpg", ".jpeg", ".png", ".webp"})


class Probe(Protocol):
    """One check asked about ordinary pictures."""

    def hits(self, pixels: NDArray[np.uint8]) -> Mapping[str, bool]:
        """What it says of a picture, uint8 (H, W, 3) RGB: the name of each figure -> whether it fired."""


class FaceProbe:
    """Whether any box, and whether a supported one, is found.

    Args:
        finder: What finds faces.
    """

    def __init__(self, finder: Finder) -> None:
        self._finder = finder

    def hits(self, pixels: NDArray[np.uint8]) -> Mapping[str, bool]:
        """``face``: a supported box; ``any box``: a supported or a possible one."""
        faces = self._finder.detect(pixels)
        return {"face": any(one.kind is PersonKind.FACE for one in faces), "any box": bool(faces)}


@dataclass(frozen=True, slots=True)
class KindFigures:
    """What fired on the pictures of one kind.

    Attributes:
        fired: Name of the figure -> pictures it fired on.
    """

    kind: str
    pictures: int
    fired: Mapping[str, int]


def measure(
    folder: Path,
    probes: Sequence[Probe],
    *,
    limit: int = 0,
    told: Callable[[str], None] = lambda line: None,
) -> tuple[KindFigures, ...]:
    """Ask every probe about every picture, one pass over the pictures.

    Args:
        folder: One folder a kind, with pictures in it.
        probes: What is asked.
        limit: Pictures a kind, the first of a fixed shuffle; 0 for all.
        told: Is told of progress.

    Raises:
        ArgumentRejected: no picture is there, or one cannot be read.
        CheckFailed: a check broke.
    """
    kinds = sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    figures = []
    for kind in kinds:
        files = sorted(path for path in kind.iterdir() if path.suffix.lower() in _ENDINGS)
        np.random.default_rng(0).shuffle(files)
        chosen = files[:limit] if limit else files
        if not chosen:
            continue
        fired: dict[str, int] = {}
        for number, path in enumerate(chosen):
            told(f"{kind.name} {number + 1}/{len(chosen)}")
            pixels = read_picture(path)
            for probe in probes:
                for name, hit in probe.hits(pixels).items():
                    fired[name] = fired.get(name, 0) + hit
        figures.append(KindFigures(kind.name, len(chosen), fired))
    if not figures:
        raise ArgumentRejected(
            f"{folder.name} holds no pictures", remedy="give a folder with one folder of pictures a kind"
        )
    return tuple(figures)
