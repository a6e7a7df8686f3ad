"""Measures what small probes, enrolment and the never-edit-me list rest on.

``measure_consent_thresholds.py photos|probes|never|enrol|quality FOLDER``: FOLDER holds labelled photographs,
``lfw/<person>/<photo>.jpg``. ``--readings FILE`` keeps the embeddings of one whole pass between runs: it
holds templates of the people shown, so keep it out of the project and erase it. One thread; prints
figures only.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from labelled_faces import (
    LIMITS,
    ROLES,
    Eyes,
    Pixels,
    Reading,
    Rows,
    Template,
    all_readings,
    by_person,
    clustered,
    pair_scores,
    read,
    say,
    scores_of,
    template_of,
    wilson,
)
from numpy.typing import NDArray
from scipy.stats import chi2, genpareto

from consent_edit.perception.faces.quality import measured

MEASURES = ("width", "detection", "sharpness", "yaw", "pitch", "roll", "brightness", "clipped")
WIDTHS = (32, 28, 24, 20)
LAXER = ((0.45, 0.92), (0.395, 0.912), (0.34, 0.904))  # where there are enough false matches to compare


def distance(scores: Rows, limits: Mapping[str, float] = LIMITS.matching) -> Rows:
    """How far from both embedders' agreement, the worse of the two; 1 is where the limits accept.

    Per embedder (1 - score) / (1 - limit), so that one number moves both thresholds together.
    """
    wanted = np.array([limits[role] for role in ROLES])
    return np.asarray(((1 - scores) / (1 - wanted)).max(axis=-1))


def thresholds_at(far: float, limits: Mapping[str, float] = LIMITS.matching) -> str:
    """The two cosines that a joint distance stands for."""
    return " and ".join(f"{1 - far * (1 - limits[role]):.3f}" for role in ROLES)


def never(readings: Sequence[Reading]) -> None:
    """Joint tail of all pairs of different people, carried on to the never-edit-me thresholds."""
    scores = pair_scores(readings, [template_of([one]) for one in readings])
    scores = np.maximum(scores, scores.swapaxes(0, 1))  # a pair counts by its better direction
    upper = np.triu_indices(len(readings), 1)
    who = np.array([one.person for one in readings])
    mated, scores = who[upper[0]] == who[upper[1]], scores[upper]
    far = distance(scores, LIMITS.never)
    others, count = far[~mated], int((~mated).sum())
    say(f"{len(readings)} photographs, {mated.sum()} mated and {count} non-mated pairs")
    passed = scores[~mated] >= np.array([LIMITS.matching[role] for role in ROLES])
    alone, both = passed.mean(axis=0), passed.all(axis=1).mean()
    say(
        f"the matching thresholds: FMR alone {alone[0]:.1e} and {alone[1]:.1e}, both {both:.1e}: "
        f"{both / alone.prod():.0f} times what independent embedders would give"
    )
    for limit in (1.0, 1.1, 1.2, 1.3, 1.4, 1.5):
        hits = int((others <= limit).sum())
        say(
            f"at {thresholds_at(limit, LIMITS.never)}: {hits} non-mated pairs pass, FMR below "
            f"{chi2.ppf(0.95, 2 * hits + 2) / 2 / count:.1e} (95 %); TAR {(far[mated] <= limit).mean():.3f}, "
            f"with 2 or 3 photographs averaged {averaged_tar(readings, limit)}"
        )
    for peaks in (200, 400, 800, 1600):
        say(tail(np.sort(others)[: peaks + 1], count))


def tail(nearest: Rows, pairs: int) -> str:
    """Peaks over threshold: the FMR at distance 1 by a fitted tail, and its 95 % bound, bootstrapped.

    The bound is of the exponential tail. The shape of the generalised Pareto, near 0, says whether it holds.
    """
    edge, peaks = float(nearest[-1]), nearest[-1] - nearest[:-1]
    share, rng = len(peaks) / pairs, np.random.default_rng(0)
    shape, _, scale = genpareto.fit(peaks, floc=0)
    free = share * float(genpareto.sf(edge - 1, shape, scale=scale))
    drawn = [share * np.exp((1 - edge) / rng.choice(peaks, len(peaks)).mean()) for _ in range(1000)]
    return (
        f"tail of the nearest {len(peaks)} pairs (up to distance {edge:.2f}): exponential: FMR "
        f"{share * np.exp((1 - edge) / peaks.mean()):.1e} at the thresholds, below "
        f"{np.quantile(drawn, 0.95):.1e} (95 %); generalised Pareto: shape {shape:+.2f}, FMR {free:.1e}"
    )


def averaged_tar(readings: Sequence[Reading], limit: float) -> str:
    """Share of further photographs found by an entry averaged from a person's first two or three."""
    scores, who = averaged(readings, 3)
    return clustered(distance(scores, LIMITS.never) <= limit, who)


def averaged(readings: Sequence[Reading], most: int) -> tuple[Rows, list[str]]:
    """Scores of further photographs against the mean of a person's first ones, two at least; and whose."""
    rows, who = [], []
    for name, taken in by_person(readings).items():
        known = taken[: min(most, len(taken) - 1)]
        for one in taken[len(known) :] if len(known) > 1 else ():
            rows.append(scores_of(one, template_of(known)))
            who.append(name)
    return np.array(rows), who


def photos(readings: Sequence[Reading]) -> None:
    """What one, two or three enrolment photographs are worth to matching; every pair in both directions."""
    scores = pair_scores(readings, [template_of([one]) for one in readings])
    who = np.array([one.person for one in readings])
    same = who[:, None] == who[None]
    others, one = scores[~same], scores[same & ~np.eye(len(who), dtype=bool)]
    for first, second in (tuple(LIMITS.matching[role] for role in ROLES), *LAXER[:1]):
        hits = int(((others[:, 0] >= first) & (others[:, 1] >= second)).sum())
        parts = [f"one {((one[:, 0] >= first) & (one[:, 1] >= second)).mean():.3f}"]
        for most in (2, 3):
            rows, people = averaged(readings, most)
            parts.append(f"up to {most} {clustered((rows[:, 0] >= first) & (rows[:, 1] >= second), people)}")
        say(
            f"at {first} and {second}: TAR {', '.join(parts)}; "
            f"FMR {hits / len(others):.1e} ({hits} of {len(others)})"
        )


def probes(folder: Path, readings: Sequence[Reading], count: int) -> None:
    """FMR and TAR of the joint rule when the probe's face is only so many pixels wide."""
    chosen = [photos[0] for photos in by_person(readings).values() if len(photos) > 1]
    random.Random(0).shuffle(chosen)
    templates, eyes = [template_of([one]) for one in readings], Eyes()
    say(f"as they are: {probe_rates(chosen[:count], readings, templates)}")
    for wanted in WIDTHS:
        small = [
            one for probe in chosen[:count] for one in eyes.read(shrunk(folder, probe, wanted), probe.file)
        ]
        say(f"{wanted} px: {probe_rates(small, readings, templates)}")


def probe_rates(probes: Sequence[Reading], known: Sequence[Reading], templates: Sequence[Template]) -> str:
    """FMR and TAR of probes against every photograph, at the shipped thresholds and laxer ones."""
    scores = pair_scores(probes, templates)
    mated = np.array([[one.person == other.person for other in known] for one in probes])
    same = np.array([[one.file == other.file for other in known] for one in probes])
    widths = np.array([one.width for one in probes])
    rates = []
    for limits in (tuple(LIMITS.matching[role] for role in ROLES), *LAXER):
        passed = (scores >= np.array(limits)).all(axis=-1)
        right = passed[mated & ~same].mean()
        rates.append(f"at {limits[0]} and {limits[1]}: TAR {right:.3f}, {passed[~mated].sum()} non-mated")
    return (
        f"{len(probes)} found, boxes {np.median(widths):.0f} px ({widths.min():.0f} at least), "
        f"{(mated & ~same).sum()} mated and {(~mated).sum()} non-mated pairs; " + "; ".join(rates)
    )


def shrunk(folder: Path, reading: Reading, width: int) -> Pixels:
    """The photograph scaled so that its face is so many pixels wide."""
    picture = read(folder / reading.file)
    size = [max(1, round(side * width / reading.width)) for side in picture.shape[1::-1]]
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def enrol(readings: Sequence[Reading]) -> None:
    """What the pair check refuses, and what averaging two people would enrol without it."""
    templates = [template_of([one]) for one in readings]
    scores = pair_scores(readings, templates)
    alone = np.stack([scores_of(one, own) for one, own in zip(readings, templates, strict=True)])
    check = np.minimum(scores, scores.swapaxes(0, 1))
    check = np.minimum(check, np.minimum(alone[:, None], alone[None]))
    upper = np.triu_indices(len(readings), 1)
    who = np.array([one.person for one in readings])
    mated = who[upper[0]] == who[upper[1]]
    everyone, check = check, check[upper]
    say(f"{mated.sum()} pairs of one person, {(~mated).sum()} of two")
    for first in (0.45, 0.5, 0.55, 0.6):
        for second in (0.92, 0.925, 0.93, 0.935, 0.94, 0.95):
            yes = (check[:, 0] >= first) & (check[:, 1] >= second)
            say(
                f"at {first} and {second}: refused {(~yes[mated]).mean():.4f} of one person's pairs; "
                f"passed {yes[~mated].sum()} of two people's ({yes[~mated].mean():.1e})"
            )
    averaging(readings, everyone)


def averaging(readings: Sequence[Reading], check: Rows) -> None:
    """One own photograph and one of a victim, averaged: random victims, then each attacker's nearest."""
    place = {one.file: number for number, one in enumerate(readings)}
    people = [photos for photos in by_person(readings).values() if len(photos) > 1]
    random.Random(1).shuffle(people)
    firsts = [place[photos[0].file] for photos in people]
    check = check[np.ix_(firsts, firsts)]
    far = distance(check) + np.diag(np.full(len(people), np.inf))
    passed = (check >= np.array([LIMITS.enrolment[role] for role in ROLES])).all(axis=-1)
    n = len(people)
    for name, victims in (("a random", np.roll(np.arange(n), -1)), ("the nearest", far.argmin(axis=1))):
        mixed = [template_of([people[a][0], people[b][0]]) for a, b in enumerate(victims)]
        own = sum(matched(people[a][1], mixed[a]) for a in range(n))
        other = sum(matched(people[b][1], mixed[a]) for a, b in enumerate(victims))
        refused = n - int(passed[np.arange(n), victims].sum())
        say(
            f"averaged with {name} victim: new photographs of the attacker {wilson(own, n)} and of the "
            f"victim {wilson(other, n)} match; the pair check refuses {wilson(refused, n)}"
        )


def matched(probe: Reading, template: Template) -> bool:
    """Whether the gate would match a face against a template, at the shipped thresholds."""
    return bool(distance(scores_of(probe, template)) <= 1)


def altered(picture: Pixels) -> Iterator[tuple[str, Pixels]]:
    """A photograph made worse in the ways that enrolment is to notice."""
    yield "as it is", picture
    for sigma in (1, 2, 3):
        yield (
            f"blurred, sigma {sigma} px",
            np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), dtype=np.uint8),
        )
    for share in (0.3, 0.2, 0.1):
        yield f"darkened to {share}", np.asarray((picture * share).round(), dtype=np.uint8)
    for gain in (1.5, 2.0, 3.0):
        yield f"over-exposed {gain} times", np.asarray(np.clip(picture * gain, 0, 255), dtype=np.uint8)


def quality(folder: Path, readings: Sequence[Reading], limit: int) -> None:
    """Distributions of the quality measures, as taken and made worse, and what the shipped limits refuse."""
    files = list(readings)
    random.Random(0).shuffle(files)
    rows: dict[str, list[list[float]]] = {}
    for number, one in enumerate(files):
        for name, picture in altered(read(folder / one.file)):
            if number >= limit and name != "as it is":
                break
            rows.setdefault(name, []).append(quality_row(picture, one))
    shares = (0.01, 0.05, 0.1, 0.5, 0.9, 0.95, 0.99)
    for name, table in rows.items():
        values = np.array(table)
        say(f"{name}: {len(values)} photographs; quantiles {shares}")
        shown = MEASURES if name == "as it is" else MEASURES[2:3] + MEASURES[6:]
        for measure in shown:
            column = np.quantile(values[:, MEASURES.index(measure)], shares)
            say(f"  {measure}: " + " ".join(f"{value:.3g}" for value in column))
        bad = refusals(values)
        each = ", ".join(f"{reason} {share.mean():.3f}" for reason, share in bad.items() if share.any())
        say(f"  refused {np.any(list(bad.values()), axis=0).mean():.3f}: {each}")


def quality_row(picture: Pixels, one: Reading) -> list[float]:
    """The numbers of :data:`MEASURES` for one photograph, with the clean one's box and score."""
    seen = measured(picture, one.landmarks)
    pose = (abs(seen.yaw), abs(seen.pitch), abs(seen.roll))
    return [one.width, one.score, seen.sharpness, *pose, seen.brightness, seen.clipped]


def refusals(values: Rows) -> dict[str, NDArray[np.bool_]]:
    """Which rows each enrolment limit refuses."""
    width, score, sharp, yaw, pitch, roll, light, clipped = values.T
    return {
        "width": width < LIMITS.enrol_face_width,
        "detection": score < LIMITS.enrol_detection,
        "sharpness": sharp < LIMITS.enrol_sharpness,
        "yaw": yaw > LIMITS.enrol_yaw,
        "pitch": pitch > LIMITS.enrol_pitch,
        "roll": roll > LIMITS.enrol_roll,
        "dark": light < LIMITS.enrol_brightness_low,
        "bright": light > LIMITS.enrol_brightness_high,
        "clipped": clipped > LIMITS.enrol_clipped,
    }


def main() -> None:
    """Run one measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("photos", "probes", "never", "enrol", "quality"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--limit", type=int, default=400, help="photographs that are altered")
    parser.add_argument("--readings", type=Path, help="where the embeddings are kept between runs")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    readings = all_readings(options.folder, options.readings)
    match options.what:
        case "photos":
            photos(readings)
        case "probes":
            probes(options.folder, readings, options.limit)
        case "never":
            never(readings)
        case "enrol":
            enrol(readings)
        case _:
            quality(options.folder, readings, options.limit)


if __name__ == "__main__":
    main()
