"""Measures what thresholds.toml quotes: ``measure_perception.py pairs|support|exposure FOLDER``.

FOLDER holds photographs: ``lfw/``, ``lfw_pairs.csv``, ``detect/`` and ``detect_counts.csv``. ``--limit``
takes the first so many of a fixed shuffle. One thread; prints figures only, keeps no picture.
"""

from __future__ import annotations

import argparse
import csv
import io
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from consent_edit.perception.embedding import FirstEmbedder, SecondEmbedder
from consent_edit.perception.exposure import WHOLE, ExposureCheck
from consent_edit.perception.faces import DetectedFace, FaceDetector
from consent_edit.perception.models import ModelStore
from consent_edit.pipelines.grading_colour import SLIDERS, apply_table, bake
from consent_edit.thresholds import load_thresholds
from consent_edit.vocabulary import PersonKind

LIMITS = load_thresholds()
SAME_PERSON = {  # known label errors: one person under two names
    "Hassan_Wirajuda": "Hasan_Wirayuda",
    "Chyung_Dai-chul": "Dai_Chul_Chyung",
    "Cristina_Fernandez": "Cristina_Kirchner",
    "Martha_Bowen": "Gabrielle_Rose",
}
Pixels = NDArray[np.uint8]


def say(line: str) -> None:
    """A line of figures."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def read(path: Path) -> Pixels:
    """A picture as uint8 RGB."""
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB")).copy()


def lfw_files(folder: Path, limit: int) -> list[str]:
    """Files of the pairs list, pairs kept together, in a fixed shuffle."""
    with (folder / "lfw_pairs.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    random.Random(0).shuffle(rows)
    return list(dict.fromkeys(row[key] for row in rows for key in ("file_a", "file_b")))[:limit]


def central(faces: tuple[DetectedFace, ...], picture: Pixels) -> list[DetectedFace]:
    """The supported face nearest to the middle: whom the picture is named for."""
    middle = np.array(picture.shape[1::-1]) / 2
    known = [face for face in faces if face.kind is PersonKind.FACE]
    return sorted(
        known, key=lambda face: float(np.linalg.norm(face.members[0].corners.mean(axis=0) - middle))
    )[:1]


def pairs(folder: Path, limit: int) -> None:
    """Verification: every pair among the pictures, mated and not, one photo against one."""
    store = ModelStore()
    detector = FaceDetector(store, LIMITS)
    first, second = FirstEmbedder(store, LIMITS), SecondEmbedder(store, LIMITS)
    names, rows = [], []
    for file in lfw_files(folder, limit):
        picture = read(folder / file)
        for face in central(detector.detect(picture), picture):
            names.append(SAME_PERSON.get(Path(file).parent.name, Path(file).parent.name))
            both = (embedder.embed(picture, face.landmarks).mean(axis=0) for embedder in (first, second))
            rows.append([row / np.linalg.norm(row) for row in both])
    upper = np.triu_indices(len(names), 1)
    who = np.array(names)
    mated = who[upper[0]] == who[upper[1]]
    one, two = (np.stack([row[i] for row in rows]) for i in (0, 1))
    a, b = (one @ one.T)[upper], (two @ two.T)[upper]
    say(f"{len(names)} pictures, {mated.sum()} mated and {(~mated).sum()} non-mated pairs")
    for t in (0.363, 0.40, 0.45, 0.50):
        say(f"first {t}: TAR {(a[mated] >= t).mean():.4f} FMR {(a[~mated] >= t).mean():.2e}")
    for t in (0.90, 0.91, 0.92, 0.93, 0.94):
        joint = (a >= LIMITS.match_face_embedding) & (b >= t)
        say(
            f"second {t}: TAR {(b[mated] >= t).mean():.4f} FMR {(b[~mated] >= t).mean():.2e}; both: "
            f"TAR {joint[mated].mean():.4f} FMR {joint[~mated].mean():.2e} ({joint[~mated].sum()} pairs)"
        )


def support(folder: Path, limit: int) -> None:
    """Detection on the counted pictures: faces missing and supported boxes too many."""
    detector = FaceDetector(ModelStore(), LIMITS)
    with (folder / "detect_counts.csv").open(encoding="utf-8") as file:
        counts = {row["file"]: int(row["faces"]) for row in csv.DictReader(file)}
    missing = extra = possible = over = 0
    for name, count in list(counts.items())[:limit]:
        faces = detector.detect(read(folder / name))
        supported = sum(face.kind is PersonKind.FACE for face in faces)
        missing, extra = missing + max(0, count - supported), extra + max(0, supported - count)
        possible, over = possible + len(faces) - supported, over + (supported > count)
    say(f"{sum(counts.values())} faces in {len(counts)} pictures: {missing} missing, {extra} too many")
    say(f"in {over} pictures; {possible} possible faces beside them")


def edits(picture: Pixels, rng: np.random.Generator) -> Iterator[Pixels]:
    """Saved again, under two random grades, and under a random matrix with gammas; all JPEG 90."""
    yield jpeg(picture)
    for _ in range(2):
        sliders = np.zeros(len(SLIDERS), np.float32)
        chosen = rng.choice(len(SLIDERS), rng.integers(1, 5), replace=False)
        sliders[chosen] = rng.uniform(-0.5, 0.5, len(chosen))
        yield jpeg(apply_table(picture, bake(sliders)))
    mixed = np.clip((picture / 255.0) @ (np.eye(3) + rng.uniform(-0.1, 0.1, (3, 3))), 0, 1)
    yield jpeg((mixed ** rng.uniform(0.7, 1.4, 3) * 255).round().astype(np.uint8))


def jpeg(picture: Pixels) -> Pixels:
    """Through JPEG at quality 90."""
    with io.BytesIO() as memory:
        Image.fromarray(picture).save(memory, format="JPEG", quality=90)
        return np.asarray(Image.open(memory)).copy()


def some_files(folder: Path, limit: int) -> list[Path]:
    """The counted pictures, then pictures of the pairs list."""
    return (sorted((folder / "detect").iterdir()) + [folder / file for file in lfw_files(folder, limit)])[
        :limit
    ]


def exposure(folder: Path, limit: int) -> None:
    """False hits on ordinary pictures, and how far a mere tone edit lifts any view's score."""
    check, rng = ExposureCheck(ModelStore(), LIMITS), np.random.default_rng(3)
    whole, crops, rises = [], [], []
    for path in some_files(folder, limit):
        picture = read(path)
        before = check.read(picture).scores
        whole.append(before[WHOLE])
        crops.append(max(score for name, score in before.items() if name != WHOLE))
        if len(whole) <= 60:
            for after in edits(picture, rng):
                scores = check.read(after).scores
                rises.append(max(scores[name] - before[name] for name in scores))
    for t in (0.2, 0.3, 0.4, 0.5, 0.8):
        say(f"{t}: whole {(np.array(whole) >= t).sum()} crop {(np.array(crops) >= t).sum()} of {len(whole)}")
    for t in (0.05, 0.1, 0.15, 0.2, 0.3):
        say(f"rise {t}: {(np.array(rises) >= t).mean():.3f} of {len(rises)} tone edits")


def main() -> None:
    """Run one measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("pairs", "support", "exposure"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--limit", type=int, default=1000)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    measures = {"pairs": pairs, "support": support, "exposure": exposure}
    measures[options.what](options.folder, options.limit)


if __name__ == "__main__":
    main()
