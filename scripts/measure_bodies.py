"""Measures how often bodies are found: ``measure_bodies.py PICTURES FOLDER [--limit N]``.

PICTURES holds one folder of pictures a kind; FOLDER is the folder of labelled photographs. Told per kind:
the share of pictures with a body whose face was not found, and with anybody at all; and of portraits with one
face, how many get a body too many.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from consent_edit.bench.benign import measure
from consent_edit.bench.labelled import portraits, read_picture
from consent_edit.perception.bodies.look import BodyFinder
from consent_edit.perception.checks import Checks
from consent_edit.perception.models.store import ModelStore
from consent_edit.thresholds import load_thresholds
from consent_edit.vocabulary import CheckName

LIMITS = load_thresholds()
SIDE = 1280


def say(line: str) -> None:
    """A line on stdout."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


class BodyProbe:
    """Whether a body, a face or anybody is found."""

    def __init__(self) -> None:
        self.checks = Checks(ModelStore(), LIMITS)
        self.checks.load(CheckName.FACE_DETECTION)
        self.finder = BodyFinder(ModelStore(), LIMITS)

    def hits(self, pixels: NDArray[np.uint8]) -> Mapping[str, bool]:
        """What is found in one picture, uint8 (H, W, 3) RGB."""
        factor = min(1.0, SIDE / max(pixels.shape[:2]))
        if factor < 1:
            pixels = cv2.resize(pixels, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
        faces = self.checks.detect(pixels)
        bodies = self.finder.find(pixels, faces)
        return {
            "body": bool(bodies),
            "face or possible face": bool(faces),
            "anybody": bool(faces or bodies),
            "body beside one face": len(faces) == 1 and bool(bodies),
            "one face": len(faces) == 1,
        }


def main() -> None:
    """Measure both folders and print the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--limit", type=int, default=60)
    given = parser.parse_args()
    cv2.setNumThreads(1)
    probe = BodyProbe()
    for kind in measure(given.pictures, [probe], limit=given.limit):
        shares = {name: round(count / kind.pictures, 3) for name, count in kind.fired.items()}
        say(json.dumps({"kind": kind.kind, "pictures": kind.pictures, **shares}))
    found = [probe.hits(read_picture(one.path)) for one in portraits(given.folder, given.limit)]
    alone = sum(one["one face"] for one in found)
    extra = sum(one["body beside one face"] for one in found)
    say(json.dumps({"kind": "portraits with one face", "pictures": alone, "a body too many": extra}))


if __name__ == "__main__":
    main()
