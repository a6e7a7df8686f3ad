"""The folder of labelled photographs: where its pictures are, who is in them, how many faces each shows."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from consent_edit.errors import ArgumentRejected
from consent_edit.perception.faces.look import DetectedFace
from consent_edit.vocabulary import PersonKind

IDENTITIES: Final = 104
"""How many people face recall is measured on; the first half set the numbers, the second only tells."""

_ORDER: Final = 5
_LAYOUT: Final = "give a folder with lfw/PERSON/*.jpg, detect/ and detect_counts.csv (file,faces)"


@dataclass(frozen=True, slots=True)
class Portrait:
    """One photograph of one person."""

    person: str
    path: Path


def portraits(folder: Path, count: int = IDENTITIES) -> tuple[Portrait, ...]:
    """One picture each of so many people, the first of a fixed shuffle.

    Raises:
        ArgumentRejected: the folder is not laid out so.
    """
    root = folder / "lfw"
    names = sorted(path.name for path in root.iterdir() if path.is_dir()) if root.is_dir() else []
    np.random.default_rng(_ORDER).shuffle(names)
    found = [
        Portrait(name, path) for name in names[:count] for path in sorted((root / name).glob("*.jpg"))[:1]
    ]
    if not found:
        raise ArgumentRejected(f"{folder.name} holds no portraits", remedy=_LAYOUT)
    return tuple(found)


def counted(folder: Path) -> tuple[tuple[Path, int], ...]:
    """The pictures whose faces were counted by eye.

    Raises:
        ArgumentRejected: the list is missing or not of that form.
    """
    try:
        with (folder / "detect_counts.csv").open(encoding="utf-8", newline="") as file:
            return tuple((folder / row["file"], int(row["faces"])) for row in csv.DictReader(file))
    except (OSError, UnicodeDecodeError, KeyError, TypeError, ValueError) as error:
        raise ArgumentRejected(
            f"{folder.name} holds no list of counted faces ({type(error).__name__})", remedy=_LAYOUT
        ) from error


def read_picture(path: Path) -> NDArray[np.uint8]:
    """A picture as uint8 (H, W, 3) RGB.

    Raises:
        ArgumentRejected: it cannot be read.
    """
    try:
        with Image.open(path) as picture:
            return np.asarray(picture.convert("RGB"), dtype=np.uint8).copy()
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise ArgumentRejected(f"{path.name} cannot be read ({type(error).__name__})") from error


def central(faces: Sequence[DetectedFace], picture: NDArray[np.uint8]) -> tuple[DetectedFace, ...]:
    """The supported face nearest to the middle: whom a portrait is named for; none if there is none."""
    middle = np.array(picture.shape[1::-1]) / 2
    known = [face for face in faces if face.kind is PersonKind.FACE]
    return tuple(
        sorted(known, key=lambda face: float(np.linalg.norm(face.members[0].corners.mean(axis=0) - middle)))[
            :1
        ]
    )
