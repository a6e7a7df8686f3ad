"""Faces: three detector families over many views; what enough of them support is a face."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from consent_edit.errors import CheckFailed, ConsentEditError
from consent_edit.perception.faces.detectors.blazeface import BlazeFace
from consent_edit.perception.faces.detectors.centerface import CenterFace
from consent_edit.perception.faces.detectors.found import Family, Found, Loaded
from consent_edit.perception.faces.detectors.human import FaceMesh, HumanCheck
from consent_edit.perception.faces.detectors.likeness import Likeness
from consent_edit.perception.faces.detectors.merging import Candidate, kinds_of, merged, strongest, width_of
from consent_edit.perception.faces.detectors.yunet import YuNet
from consent_edit.perception.faces.embedding import FirstEmbedder
from consent_edit.perception.faces.passes import PASSES, Detector, DetectorPass, must_run
from consent_edit.perception.models.store import ModelStore
from consent_edit.perception.observation import Box, ModelUse
from consent_edit.perception.shown import Pixels, Shown
from consent_edit.perception.views import View, Views
from consent_edit.thresholds import Thresholds
from consent_edit.vocabulary import PersonKind, Recognisable


class Support(StrEnum):
    """Why a box counts as a face, or only as a possible one."""

    KINDS = "kinds"
    """Passes of several kinds found it."""

    SCORE = "score"
    """One pass was sure enough by itself."""

    FAMILIES = "families"
    """Few passes found it, but the mesh and CenterFace both find a person's face on its points."""

    FEW_PASSES = "few-passes"
    """None of these: a possible face."""

    NOT_HUMAN = "not-human"
    """Passes support it, but no model that knows people's faces only confirms it: a possible face."""


_MOST_DOUBTED: Final = 24
"""How many boxes of one picture may be asked about thoroughly; beyond it doubt counts as a person."""

_DOUBTS: Final = frozenset({Support.FEW_PASSES, Support.NOT_HUMAN})


@dataclass(frozen=True, slots=True, eq=False)
class DetectedFace:
    """Boxes of several passes that show one face.

    Attributes:
        members: Best ranked first; the first one's box and landmarks stand for the face.
        kind: ``FACE`` when supported, else ``POSSIBLE_FACE``; never dropped.
        support: Why.
    """

    members: tuple[Candidate, ...]
    kind: PersonKind
    recognisable: Recognisable
    support: Support

    @property
    def box(self) -> Box:
        """The first member's box."""
        (left, top), (right, bottom) = self.members[0].corners.tolist()
        return Box(left, top, right - left, bottom - top)

    @property
    def landmarks(self) -> NDArray[np.float32]:
        """The first member's five points."""
        return self.members[0].landmarks

    @property
    def score(self) -> float:
        """The first member's score."""
        return self.members[0].score

    @property
    def passes(self) -> tuple[str, ...]:
        """Names of the passes that found it, in the order of the list."""
        names = {member.name for member in self.members}
        return tuple(one.name for one in PASSES if one.name in names)


def looks(picture: Shown | Pixels) -> Iterator[tuple[DetectorPass, View]]:
    """Every pass that must run on a picture with the view it is shown; runs no model.

    Args:
        picture: (H, W, 3) uint8 RGB.
    """
    shown = Shown.of(picture)
    views = Views(shown)
    for one in must_run(max(shown.size)):
        yield one, views.show(one.view)


class FaceDetector:
    """The union of the families over the fixed list of views.

    Args:
        store: Where the weights are.
        limits: The operating thresholds.
        embedder: Says whether two overlapping boxes show one person; loaded here when none is given.

    Attributes:
        uses: Every model that looks.
        known_answers: Role -> fingerprint of its answer to the known picture.

    Raises:
        ModelUnavailable: weights are missing, altered or fail their self-test.
    """

    def __init__(self, store: ModelStore, limits: Thresholds, embedder: FirstEmbedder | None = None) -> None:
        self._limits = limits
        yunet, blazeface, centerface = YuNet(store), BlazeFace(store), CenterFace(store)
        self._families: dict[Detector, Family] = {
            Detector.YUNET: yunet,
            Detector.BLAZEFACE: blazeface,
            Detector.CENTERFACE: centerface,
        }
        self._eyes = store.backend.eyes(store)
        self._mesh = FaceMesh(store)
        self._human = HumanCheck(self._mesh, centerface, limits)
        self._embedder = FirstEmbedder(store, limits) if embedder is None else embedder
        models: tuple[Loaded, ...] = (yunet, blazeface, centerface, self._mesh)
        self.known_answers = {model.role: model.known_answer for model in models}
        self.uses: tuple[ModelUse, ...] = tuple(
            ModelUse(model.role, model.sha256, threshold=threshold, self_test=True)
            for model, threshold in zip(
                models, (limits.face_support_score,) * 3 + (limits.face_human_presence,), strict=True
            )
        )

    def detect(self, picture: Shown | Pixels) -> tuple[DetectedFace, ...]:
        """Every face, the strongest first.

        Args:
            picture: (H, W, 3) uint8 RGB.

        Raises:
            CheckFailed: a model broke or gave no usable answer; never taken for an empty picture.
        """
        shown = Shown.of(picture)
        try:
            likeness = Likeness(shown, self._embedder, self._mesh, self._limits)
            groups = merged(list(self._candidates(shown)), self._limits, likeness.same_person)
            doubts = iter(range(_MOST_DOUBTED))
            return tuple(self._face(group, shown, doubts) for group in groups)
        except ConsentEditError:
            raise
        except Exception as error:
            raise CheckFailed(f"face detection broke ({type(error).__name__})") from error

    def _found(self, shown: Shown) -> Iterator[tuple[DetectorPass, View, Found]]:
        """What each pass finds in its view; on a device all passes are one computation."""
        if self._eyes is not None:
            yield from self._eyes.found(shown)
            return
        for one, view in looks(shown):
            yield one, view, self._families[one.detector].look(view.pixels, one.threshold)

    def _candidates(self, shown: Shown) -> Iterator[Candidate]:
        """The boxes of all passes, in pixels of the whole picture."""
        for one, view, every in self._found(shown):
            found = every.up_to(one.reach)
            if not len(found):
                continue
            kept = strongest(found, self._limits)
            corners = view.boxes_to_picture(found.corners[kept])
            points = view.to_picture(found.points[kept])
            for box, five, score in zip(corners, points, found.scores[kept].tolist(), strict=True):
                yield Candidate(box, five, score, one)

    def _face(self, group: Sequence[Candidate], shown: Shown, doubts: Iterator[int]) -> DetectedFace:
        """One face of its boxes, with what supports it; ``doubts`` bounds who may be called no person."""
        support = support_of(group, self._limits)
        if support is Support.FEW_PASSES:
            support = Support.FAMILIES if self._human.vouches(shown, group) else support
        elif not self._human.seems(shown, group):
            doubted = next(doubts, None) is not None and not self._human.shows(shown, group)
            support = Support.NOT_HUMAN if doubted else support
        seen = width_of(group) >= self._limits.face_recognisable_width
        return DetectedFace(
            members=tuple(group),
            kind=PersonKind.POSSIBLE_FACE if support in _DOUBTS else PersonKind.FACE,
            recognisable=Recognisable.YES if seen else Recognisable.NO,
            support=support,
        )


def support_of(group: Sequence[Candidate], limits: Thresholds) -> Support:
    """What the passes alone say of a group of boxes: ``KINDS``, ``SCORE`` or ``FEW_PASSES``."""
    if kinds_of(group) >= limits.face_support_kinds:
        return Support.KINDS
    for one in group:
        sure = limits.face_support_score_wrong_way if one.wrong_way else limits.face_support_score
        if one.score >= sure:
            return Support.SCORE
    return Support.FEW_PASSES
