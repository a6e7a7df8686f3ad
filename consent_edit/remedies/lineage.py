"""Lineage: a changed picture's chain of edits still begins at the first picture, not at the changed one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from consent_edit.errors import InputError
from consent_edit.intake.canonical import CanonicalImage
from consent_edit.perception.change.sketch import opened, sketched
from consent_edit.perception.observation import Origin, Sketch
from consent_edit.remedies.crop import Window


def after_crop(origin: Origin, image: CanonicalImage, window: Window) -> Origin:
    """The first picture of a chain, cut as the newest was: places, and what is kept of what it looked like.

    What was read of its exposure stays, so a cut cannot make anybody's past more revealing than it was.

    Args:
        origin: The first picture of the chain that ``image`` is the newest of.
        image: The picture handed in.
        window: The part of it that is edited.

    Raises:
        InputError: ``input.crop``: the part lies below what the chain's first picture showed.
        CheckFailed: what is kept of the first picture cannot be read.
    """
    boxes = tuple(window.share(image.width, image.height, box) for box in origin.boxes)
    further = tuple(after_crop(one, image, window) for one in origin.further)
    if not origin.sketch.picture:
        return replace(origin, boxes=boxes, further=further)
    small, shown = opened(origin.sketch.picture), origin.sketch.rows * image.height
    across, along = small.width / image.width, small.height / shown
    left, right = round(window.left * across), round(window.right * across)
    top, bottom = round(window.top * along), round(min(window.bottom, shown) * along)
    if right <= left or bottom <= top:
        raise InputError("what would be left of the picture is too small to be compared", code="input.crop")
    rows = (min(window.bottom, shown) - window.top) / window.height
    kept = Sketch(sketched(small.pixels[top:bottom, left:right]), rows)
    return replace(origin, boxes=boxes, sketch=kept, further=further)


def after_anonymising(origin: Origin, image: CanonicalImage, painted: CanonicalImage) -> Origin:
    """The first picture of a chain, painted over where the newest was, so that it counts as no repaint.

    Args:
        origin: The first picture of the chain that ``image`` is the newest of.
        image: The picture handed in.
        painted: The same with faces painted over.

    Raises:
        CheckFailed: what is kept of the first picture cannot be read.
    """
    if not origin.sketch.picture:
        return origin
    small = opened(origin.sketch.picture)
    shown = max(1, round(origin.sketch.rows * image.height))
    differs = (image.pixels != painted.pixels).any(axis=2)[:shown].astype(np.uint8) * 255
    size = small.width, small.height
    over = _resized(differs, size) > 0
    paint = _resized(painted.pixels[:shown], size)
    return replace(
        origin,
        sketch=Sketch(sketched(np.where(over[..., None], paint, small.pixels)), origin.sketch.rows),
    )


def _resized(pixels: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Every pixel of the larger has its part in the smaller."""
    picture = Image.fromarray(np.ascontiguousarray(pixels)).resize(size, Image.Resampling.BOX)
    return np.asarray(picture, dtype=np.uint8)
