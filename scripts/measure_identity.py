"""Measures what edits do to the likeness that the output check asks for, and what swaps get past it.

``measure_identity.py FOLDER [--people N] [--round-trip FILE] [--readings FILE]``: FOLDER holds labelled
photographs, ``lfw/<person>/<photo>.jpg``. Everybody with three photographs is enrolled with the first two;
the third one is edited and read again. ``--round-trip`` names a Python file with ``roundtrip(rgb)`` (uint8 in
and out, and keyword arguments ``keep`` and ``noise``), for trips through a generator's autoencoder.
``--readings`` keeps the scores between runs. One thread; prints figures only, keeps no picture.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from consent_edit.bench.edits import BENIGN, Subject
from consent_edit.bench.face_edits import _blend as blended
from consent_edit.bench.face_edits import poisson_swapped
from consent_edit.bench.face_readings import (
    ROLES,
    Eyes,
    Pixels,
    Reading,
    person_of,
    reach,
    read_picture,
    template_of,
)
from consent_edit.perception.models.store import ModelStore
from consent_edit.thresholds import load_thresholds

LIMITS = load_thresholds()
Scores = NDArray[np.float64]

TONES = (
    "as it is",
    "JPEG 75",
    "slight crop",
    "brighter",
    "darker",
    "contrast up",
    "gamma 0.6",
    "warmer",
    "curve",
    "black and white",
    "sepia",
    "film grain",
)
SWAPS = (0.3, 0.5, 0.7, 0.85, 1.0)


def say(line: str) -> None:
    """A line of figures."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def posterised(pixels: Pixels) -> Pixels:
    """Six levels a colour."""
    return np.asarray((np.round(pixels / 51.0) * 51).astype(np.uint8))


def oil(pixels: Pixels) -> Pixels:
    """Colours run together, edges kept (mean shift)."""
    return np.asarray(cv2.pyrMeanShiftFiltering(pixels, 6, 20), dtype=np.uint8)


def cartoon(pixels: Pixels) -> Pixels:
    """Flat colours with dark outlines."""
    flat = pixels
    for _ in range(3):
        flat = np.asarray(cv2.bilateralFilter(flat, 7, 30, 7), dtype=np.uint8)
    grey = cv2.medianBlur(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), 5)
    lines = cv2.adaptiveThreshold(grey, 255, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY, 9, 4)
    return np.asarray(cv2.bitwise_and(flat, flat, mask=lines), dtype=np.uint8)


def half_crop(pixels: Pixels) -> Pixels:
    """The middle, two thirds of each side."""
    height, width = pixels.shape[:2]
    return np.ascontiguousarray(pixels[height // 6 : -(height // 6), width // 6 : -(width // 6)])


def edits(trip: Callable[..., Pixels] | None) -> dict[str, Callable[[Pixels], Pixels]]:
    """Name -> edit of a picture that keeps the person."""
    found = {name: BENIGN[name] for name in TONES}
    found |= {"two thirds": half_crop, "posterised": posterised, "oil": oil, "cartoon": cartoon}
    if trip is not None:
        found |= {
            "round trip": trip,
            "round trip, lossy": partial(trip, keep=24),
            "round trip, noisy": partial(trip, noise=0.4),
        }
    return found


def swapped(picture: Pixels, one: Reading, other: Reading, theirs: Pixels) -> Iterator[tuple[str, Pixels]]:
    """The picture with somebody else's face laid in, more and more of it."""
    width = one.width
    subject = Subject(
        pixels=picture,
        body=np.zeros(picture.shape[:2], dtype=bool),
        box=(
            float(one.landmarks[:, 0].mean() - width / 2),
            float(one.landmarks[:, 1].mean() - width * 0.65),
            width,
            width * 1.3,
        ),
        landmarks=one.landmarks,
        other=theirs,
        other_landmarks=other.landmarks,
        random=np.random.default_rng(0),
    )
    for share in SWAPS:
        yield f"swap {share:.2f}", blended(share)(subject)
    yield "swap seamless", poisson_swapped(subject)


def scored(
    eyes: Eyes, picture: Pixels, file: str, templates: list[Mapping[str, NDArray[np.float32]]]
) -> Scores:
    """(templates, roles, 2): median and accepted-up-to of the picture's face; -1 where none is found."""
    out = np.full((len(templates), len(ROLES), 2), -1.0)
    for seen in eyes.read(picture, file):
        for number, template in enumerate(templates):
            for at, role in enumerate(ROLES):
                cosines = seen.views[role].astype(np.float64) @ template[role]
                out[number, at] = np.median(cosines), reach(cosines)
    return out


def measure(
    folder: Path, count: int, trip: Callable[..., Pixels] | None, keep: Path | None
) -> dict[str, Scores]:
    """Edit -> (people, 2 templates, roles, 2); her own template first, the other's second."""
    eyes = Eyes(ModelStore(), LIMITS)
    people: dict[str, list[str]] = {}
    for path in sorted((folder / "lfw").glob("*/*.jpg")):
        file = path.relative_to(folder).as_posix()
        people.setdefault(person_of(file), []).append(file)
    names = sorted((n for n, taken in people.items() if len(taken) > 2), key=half_order)[:count]
    enrolled: dict[str, tuple[list[Reading], Mapping[str, NDArray[np.float32]]]] = {}
    for name in names:
        read = [one for file in people[name][:3] for one in eyes.read(read_picture(folder / file), file)]
        if len(read) == 3:
            enrolled[name] = (read, template_of(read[:2]))
    known, found = list(enrolled), {}
    for number, name in enumerate(known):
        other = known[(number + 1) % len(known)]
        probe, theirs = enrolled[name][0][2], enrolled[other][0][2]
        picture, their_picture = read_picture(folder / probe.file), read_picture(folder / theirs.file)
        templates = [enrolled[name][1], enrolled[other][1]]
        shown = [(what, edit(picture)) for what, edit in edits(trip).items()]
        shown += swapped(picture, probe, theirs, their_picture)
        for what, after in shown:
            found.setdefault(what, []).append(scored(eyes, after, probe.file, templates))
        if keep is not None and (number % 5 == 4 or number + 1 == len(known)):
            rows = {what: np.stack(row) for what, row in found.items()}
            np.savez(keep, people=known[: number + 1], **rows)
    return {"people": np.array(known)} | {what: np.stack(row) for what, row in found.items()}


def half_order(name: str) -> str:
    """A fixed shuffle of people."""
    return hashlib.sha256(name.encode()).hexdigest()


def outcome(scores: Scores) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which rows of (n, roles) match, and which are kept at least."""
    wanted = np.array([LIMITS.matching[role] for role in ROLES])
    laxer = np.array([LIMITS.keeping[role] for role in ROLES])
    kept = (scores >= laxer).all(axis=1)
    return kept & (scores >= wanted).all(axis=1), kept


def report(found: Mapping[str, Scores], people: list[str]) -> None:
    """Same, altered and foreign for every edit, by halves of the people too: so much is chance."""
    late = np.array([int(half_order(name), 16) % 2 == 1 for name in people])
    for half, chosen in (("first half", ~late), ("second half", late), ("all", late | ~late)):
        say(f"{half}: {chosen.sum()} people")
        for what, scores in found.items():
            own, other = scores[chosen, 0, :, 1], scores[chosen, 1, :, 1]
            same, kept = outcome(own)
            theirs, _ = outcome(other)
            line = f"  {what}: same {same.mean():.3f}, kept {kept.mean():.3f}"
            if what.startswith("swap"):
                line += f"; reads as the other {theirs.mean():.3f}, and is kept {(kept & theirs).mean():.3f}"
            say(line)
    tones = np.stack([outcome(found[what][late, 0, :, 1])[1] for what in TONES], axis=1)
    say(f"tone edits, crops and saving, kept, second half: {tones.mean():.3f}")
    for first in (0.40, 0.42, 0.44):
        for second in (0.92, 0.925, 0.93, 0.935):
            rates = {
                what: ((s[:, 0, :, 1] >= (first, second)).all(axis=1)).mean() for what, s in found.items()
            }
            say(
                f"at {first} and {second}: " + ", ".join(f"{what} {rate:.2f}" for what, rate in rates.items())
            )


def main() -> None:
    """Measure, or read what was measured, and tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--people", type=int, default=120)
    parser.add_argument("--round-trip", type=Path)
    parser.add_argument("--readings", type=Path)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    trip = None
    if options.round_trip is not None:
        spec = importlib.util.spec_from_file_location("round_trip", options.round_trip)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        trip = module.roundtrip
    if options.readings is None or not options.readings.exists():
        found = measure(options.folder, options.people, trip, options.readings)
    if options.readings is not None:
        with np.load(options.readings) as data:
            found = {what: data[what] for what in data.files}
    people = [str(name) for name in found.pop("people")]
    report(found, people)


if __name__ == "__main__":
    main()
