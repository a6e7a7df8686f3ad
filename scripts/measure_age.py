"""How the age signal reads labelled photographs: ``python scripts/measure_age.py FOLDER [--limit 400]``."""

from __future__ import annotations

import argparse
import random
from pathlib import Path

import numpy as np
from PIL import Image

from consent_edit.perception.faces.age import AgeSignal
from consent_edit.perception.faces.embedding import FirstEmbedder
from consent_edit.perception.faces.look import FaceDetector
from consent_edit.perception.models.store import ModelStore
from consent_edit.thresholds import load_thresholds
from consent_edit.vocabulary import PersonKind


def main() -> None:
    """Print the shares below some ages, over the best face of each photograph."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--limit", type=int, default=400)
    asked = parser.parse_args()
    files = sorted((asked.folder / "faces" / "lfw").rglob("*.jpg")) or sorted(asked.folder.rglob("*.jpg"))
    random.Random(0).shuffle(files)
    store, limits = ModelStore(), load_thresholds()
    detector = FaceDetector(store, limits, FirstEmbedder(store, limits))
    signal = AgeSignal(store, limits)
    years = []
    for file in files[: asked.limit]:
        pixels = np.asarray(Image.open(file).convert("RGB"))
        faces = [face for face in detector.detect(pixels) if face.kind is PersonKind.FACE]
        if faces:
            years.append(signal.years(pixels, faces[0].landmarks))
    read = np.array(years)
    print(f"{len(read)} faces, median {np.median(read):.1f} years")
    for age in (18, 25, 28, 30, 35):
        print(f"below {age}: {(read < age).mean():.3f}")


if __name__ == "__main__":
    main()
