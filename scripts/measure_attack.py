"""Attacks the gate's matching white-box: strangers' photographs bent towards an attacker's own template.

``measure_attack.py FOLDER [--pairs N] [--steps N] [--only NAME…]``; FOLDER holds labelled photographs,
``lfw/<person>/<photo>.jpg``. Both embedders are rebuilt in torch from the very weights that the gate runs, so
that they have gradients, and are held against the gate's own answers. A perturbation is judged as the gate
would: rounded to uint8, saved as PNG, decoded, found by the first detector, embedded, matched. One thread;
prints figures only, keeps no picture.
"""

from __future__ import annotations

import argparse
import io
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from attack_networks import onnx_network
from labelled_faces import (
    LIMITS,
    Eyes,
    Pixels,
    Reading,
    Template,
    all_readings,
    by_person,
    clustered,
    read,
    say,
    scores_of,
    template_of,
    wilson,
)
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional

from consent_edit.consent.match import MatchOutcome, Probe, match_faces
from consent_edit.perception.backends.dlib import DlibLandmarks
from consent_edit.perception.backends.dlib_graph import SIDE, dlib_onnx
from consent_edit.perception.faces.alignment import ARCFACE_POINTS, ARCFACE_SIDE, aligned, similarity
from consent_edit.perception.faces.embedding import (
    CANVAS,
    CANVAS_BOX,
    CANVAS_ZOOM,
    FIRST,
    LANDMARKS,
    SECOND,
    chip_maps,
)
from consent_edit.perception.models.store import ModelStore

AIM = {FIRST: 0.45, SECOND: 0.92}  # the cosines by which an attack on both weighs the one against the other


def _grid(matrix: NDArray[np.float64], side: int, height: int, width: int) -> Tensor:
    """Where ``grid_sample`` must look for a crop, for the (2, 3) matrix from picture to crop."""
    back = np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))[:2]
    v, u = np.mgrid[:side, :side].astype(np.float64)
    x, y = np.tensordot(back, np.stack([u, v, np.ones_like(u)]), axes=1)
    where = np.stack([2 * x / (width - 1) - 1, 2 * y / (height - 1) - 1], axis=-1)
    return torch.from_numpy(where.astype(np.float32))[None]


def _sample(picture: Tensor, grid: Tensor) -> Tensor:
    return functional.grid_sample(picture, grid, align_corners=True)


class Views:
    """The gate's eleven views of one face as differentiable functions of the picture's pixels.

    The landmarks are those of the clean picture; whatever they become afterwards, the verdict finds its own.
    """

    def __init__(self, picture: Pixels, landmarks: NDArray[np.float32], dlib: DlibLandmarks) -> None:
        height, width = picture.shape[:2]
        middle = ARCFACE_SIDE / 2
        near = [(ARCFACE_POINTS - middle) * zoom + middle for zoom in (1.0, 0.95)]
        self._first = [
            _grid(similarity(landmarks, one.astype(np.float32)), ARCFACE_SIDE, height, width) for one in near
        ]
        canvas = ((ARCFACE_POINTS - middle) * CANVAS_ZOOM + CANVAS / 2).astype(np.float32)
        self._canvas = _grid(similarity(landmarks, canvas), CANVAS, height, width)
        upright = aligned(picture, landmarks, side=CANVAS, zoom=CANVAS_ZOOM)
        maps = chip_maps(dlib.points(upright, CANVAS_BOX))
        self._chips = [_grid(one, SIDE, CANVAS, CANVAS) for one in maps]

    def first(self, picture: Tensor, number: int) -> Tensor:
        """View 0 straight, 1 mirrored, 2 smaller, of a (1, 3, H, W) picture."""
        crop = _sample(picture, self._first[number // 2])
        return crop.flip(3) if number == 1 else crop

    def second(self, picture: Tensor, number: int) -> Tensor:
        """Even views straight, odd ones mirrored."""
        chip = _sample(_sample(picture, self._canvas), self._chips[number // 2])
        return chip.flip(3) if number % 2 else chip


@dataclass(frozen=True, slots=True)
class Attack:
    """What is bent: the embedders attacked, and by how much any pixel may move (of 255)."""

    roles: tuple[str, ...]
    reach: int

    @property
    def name(self) -> str:
        """As the tables print it."""
        alone = {FIRST: "SFace alone", SECOND: "dlib alone"}
        return f"{'both' if len(self.roles) > 1 else alone[self.roles[0]]} {self.reach}/255"


class Attacker:
    """Projected gradient descent (Madry et al. 2018) through random views, towards given templates."""

    def __init__(self, steps: int) -> None:
        store = ModelStore()
        first, second = store.load(FIRST), store.load(SECOND)
        self._networks = {FIRST: onnx_network(first.data), SECOND: onnx_network(dlib_onnx(second.data))}
        self._dlib = DlibLandmarks(store.load(LANDMARKS))
        self._steps = steps

    def gap(self, picture: Pixels, reading: Reading) -> float:
        """Smallest cosine between these networks' views and the gate's own views of one clean picture."""
        views, pixels = Views(picture, reading.landmarks, self._dlib), _tensor(picture)
        with torch.no_grad():
            return min(
                float(self._cosine(views, pixels, role, number, reading.views[role][number]))
                for role in (FIRST, SECOND)
                for number in range(len(reading.views[role]))
            )

    def perturb(self, picture: Pixels, reading: Reading, template: Template, attack: Attack) -> Pixels:
        """The picture with no pixel moved by more than the attack's reach."""
        views, clean = Views(picture, reading.landmarks, self._dlib), _tensor(picture)
        moved = clean.clone()
        chance = random.Random(0)
        for step in range(self._steps):
            pixels = moved.clone().requires_grad_()
            loss = torch.zeros(())
            for role in attack.roles:
                number = chance.randrange(3 if role == FIRST else 8)
                cosine = self._cosine(views, pixels, role, number, template[role])
                distance = (1 - cosine) / (1 - AIM[role])
                loss = loss + (distance if len(attack.roles) == 1 else torch.clamp(distance, min=0.4))
            if len(attack.roles) > 1 and float(loss.detach()) <= 0.4 * len(attack.roles):
                continue  # these views are accepted with room to spare
            (gradient,) = torch.autograd.grad(loss, pixels)
            stride = attack.reach * (0.3 if step < self._steps // 2 else 0.1)
            moved = moved - stride * gradient.sign()
            moved = (clean + (moved - clean).clamp(-attack.reach, attack.reach)).clamp(0, 255)
        return np.asarray(moved[0].permute(1, 2, 0).round().numpy(), dtype=np.uint8)

    def _cosine(
        self, views: Views, pixels: Tensor, role: str, number: int, template: NDArray[np.float32]
    ) -> Tensor:
        crop = views.first(pixels, number) if role == FIRST else views.second(pixels, number)
        vector = self._networks[role](crop)[0]
        return functional.cosine_similarity(vector, torch.from_numpy(np.array(template)), dim=0)


def _tensor(picture: Pixels) -> Tensor:
    return torch.from_numpy(picture.transpose(2, 0, 1).astype(np.float32))[None]


def through_png(picture: Pixels) -> Pixels:
    """Saved and decoded, as a released or uploaded file would be."""
    with io.BytesIO() as memory:
        Image.fromarray(picture).save(memory, format="PNG")
        return np.asarray(Image.open(memory).convert("RGB")).copy()


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """An attacker with his template and further photographs, and a stranger whose picture he wants edited."""

    person: str
    template: Template
    others: tuple[Reading, ...]
    stranger: Reading


def cases_of(readings: Sequence[Reading], count: int) -> list[Case]:
    """Attackers with four photographs or more, three of them averaged, each with a stranger of his own."""
    chance = random.Random(7)
    people = by_person(readings)
    attackers = [name for name, photos in sorted(people.items()) if len(photos) >= 4]
    strangers = [name for name, photos in sorted(people.items()) if len(photos) == 1]
    chance.shuffle(attackers)
    cases = []
    for name, stranger in zip(attackers[:count], chance.sample(strangers, count), strict=False):
        photos = chance.sample(people[name], len(people[name]))
        cases.append(Case(name, template_of(photos[:3]), tuple(photos[3:]), people[stranger][0]))
    return cases


def verdict(eyes: Eyes, picture: Pixels, case: Case) -> NDArray[np.float64]:
    """What each embedder gives the picture's face at the gate, (2,); -1 where no face is found.

    Raises:
        ValueError: the gate's own rule disagrees with these numbers.
    """
    scores = np.full(2, -1.0)
    for reading in eyes.read(through_png(picture), case.stranger.file):
        scores = scores_of(reading, case.template)
        (match,) = match_faces([Probe(reading.views)], [case.template], LIMITS.matching)
        if (match.outcome is MatchOutcome.MATCHED) != passes(scores[None])[0]:
            raise ValueError("the rule measured is not the rule of the gate")
    return scores


def passes(
    scores: NDArray[np.float64],
    first: float = LIMITS.matching[FIRST],
    second: float = LIMITS.matching[SECOND],
) -> NDArray[np.bool_]:
    """Which rows of (n, 2) both embedders accept, at the shipped thresholds unless told."""
    return np.asarray((scores[:, 0] >= first) & (scores[:, 1] >= second))


def report(
    found: Mapping[str, NDArray[np.float64]], genuine: NDArray[np.float64], who: Sequence[str]
) -> None:
    """Acceptance of every attack at the shipped thresholds, then over a grid of joint ones."""
    for name, scores in found.items():
        parts = {
            "SFace": scores[:, 0] >= LIMITS.matching[FIRST],
            "dlib": scores[:, 1] >= LIMITS.matching[SECOND],
            "both": passes(scores),
        }
        rates = ", ".join(f"{part} {wilson(int(yes.sum()), len(yes))}" for part, yes in parts.items())
        say(f"{name}: accepted by {rates}")
    say(f"genuine, {len(genuine)} further photographs: {clustered(passes(genuine), who)}")
    for first in (0.45, 0.48, 0.5, 0.55):
        for second in (0.92, 0.925, 0.93, 0.935, 0.938, 0.94, 0.943):
            rates = ", ".join(
                f"{name} {passes(scores, first, second).mean():.3f}" for name, scores in found.items()
            )
            say(f"at {first} and {second}: TAR {passes(genuine, first, second).mean():.3f}, {rates}")


def measure(folder: Path, options: argparse.Namespace) -> None:
    """Attack every case in every way, and judge the results."""
    cases = cases_of(all_readings(folder, options.readings), options.pairs)
    eyes, attacker = Eyes(), Attacker(options.steps)
    every = [Attack(roles, size) for roles in ((FIRST,), (SECOND,), (FIRST, SECOND)) for size in (4, 8)]
    attacks = [one for one in every if not options.only or one.name in options.only]
    found: dict[str, list[NDArray[np.float64]]] = {"untouched": []} | {one.name: [] for one in attacks}
    gaps = []
    for number, case in enumerate(cases, start=1):
        picture = read(folder / case.stranger.file)
        gaps.append(attacker.gap(picture, case.stranger))
        found["untouched"].append(verdict(eyes, picture, case))
        for attack in attacks:
            bent = attacker.perturb(picture, case.stranger, case.template, attack)
            if np.abs(bent.astype(int) - picture).max() > attack.reach:
                raise ValueError("a pixel moved further than the attack may")
            found[attack.name].append(verdict(eyes, bent, case))
        if number % 10 == 0:
            say(f"{number} of {len(cases)} pairs done")
    say(f"these views against the gate's own: cosine {min(gaps):.4f} at least, {np.median(gaps):.4f} median")
    genuine = [(case.person, scores_of(one, case.template)) for case in cases for one in case.others]
    report(
        {name: np.stack(scores) for name, scores in found.items()},
        np.stack([scores for _, scores in genuine]),
        [name for name, _ in genuine],
    )


def main() -> None:
    """Run the attack."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pairs", type=int, default=60)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--only", nargs="*", default=(), help="attacks by name, such as 'both 4/255'")
    parser.add_argument("--readings", type=Path, help="embeddings kept from an earlier run")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    measure(options.folder, options)


if __name__ == "__main__":
    main()
