"""Checks of an empty landscape of which one misbehaves, for a perception process to build in its child."""

from __future__ import annotations

import os
import signal
import time

from consent_edit.perception.checks import Checks
from consent_edit.perception.observation import (
    ChangeObservation,
    CheckRun,
    ExposureReading,
    ModelUse,
    PictureExposure,
    PromptObservation,
)
from consent_edit.vocabulary import (
    Age,
    CheckName,
    CheckOutcome,
    Exposure,
    ExposureChange,
    Intent,
    Operation,
)

USE = ModelUse(role="test", sha256="0" * 64, threshold=0.5, self_test=True)


class _LandscapeChecks(Checks):
    """Nobody there, an ordinary tone edit asked for, nothing changed; ``fail`` may strike first."""

    def __init__(self, store, limits, culprit, how, after):
        super().__init__(store, limits)
        self._culprit, self._how, self._left = culprit, how, after

    def _strike(self, name):
        if name is not self._culprit:
            return
        if self._left > 0:
            self._left -= 1
            return
        match self._how:
            case "raise":
                raise RuntimeError("a check broke")
            case "hang":
                time.sleep(60)
            case "kill":
                os.kill(os.getpid(), signal.SIGKILL)

    def load(self, name):
        return (USE,)

    def detect(self, pixels):
        self._strike(CheckName.FACE_DETECTION)
        return ()

    def bodies(self, pixels, faces):
        self._strike(CheckName.BODY_DETECTION)
        return ()

    def age(self, pixels, face):
        self._strike(CheckName.APPARENT_AGE)
        return Age.UNDETERMINED

    def expose(self, pixels, people):
        self._strike(CheckName.EXPOSURE)
        nothing = ExposureReading(Exposure.NONE, {"whole": 0.0})
        return PictureExposure(nothing, (nothing,) * len(people), nothing)

    def read(self, texts, negative):
        self._strike(CheckName.PROMPT_INTENT)
        run = CheckRun(CheckName.PROMPT_INTENT, CheckOutcome.RAN, models=(USE,))
        return PromptObservation(Intent.ORDINARY, frozenset({Operation.TONE}), "en", False, (run,))

    def change(self, before, after, seen_before, seen_after, origin):
        self._strike(CheckName.CHANGE)
        run = CheckRun(CheckName.CHANGE, CheckOutcome.RAN, models=(USE,))
        return ChangeObservation((), (), frozenset(), True, False, (), ExposureChange.NONE, (run,))


class Misbehaving:
    """Builds the checks in the child; picklable.

    Args:
        culprit: The check that misbehaves, or an empty string for none.
        how: ``raise``, ``hang`` or ``kill``.
        after: Calls of the culprit that still go well.
    """

    def __init__(self, culprit="", how="raise", after=0):
        self.culprit, self.how, self.after = culprit, how, after

    def __call__(self, store, limits):
        return _LandscapeChecks(store, limits, self.culprit, self.how, self.after)


class _ReallyLoaded(_LandscapeChecks):
    """The same landscape, but some checks load their models as ever, from the store."""

    def __init__(self, store, limits, loaded):
        super().__init__(store, limits, "", "raise", 0)
        self._loaded = loaded

    def load(self, name):
        return Checks.load(self, name) if name in self._loaded else super().load(name)


class ReallyLoaded:
    """Builds them in the child; picklable.

    Args:
        loaded: The checks that load their models.
    """

    def __init__(self, loaded):
        self.loaded = frozenset(loaded)

    def __call__(self, store, limits):
        return _ReallyLoaded(store, limits, self.loaded)


class _FaceChecks(_LandscapeChecks):
    """The same with one face in the picture, whose embedding may fail."""

    def detect(self, pixels):
        import numpy as np

        from consent_edit.perception.observation import Box, FaceObservation
        from consent_edit.vocabulary import PersonKind, Recognisable

        points = np.zeros((5, 2), np.float32)
        box = Box(1, 1, 40, 40)
        return (FaceObservation(box, PersonKind.FACE, Recognisable.YES, 0.9, ("a", "b"), points),)

    def embed(self, pixels, face):
        import numpy as np

        self._strike(CheckName.FACE_EMBEDDING)
        return np.eye(1, 128, dtype=np.float32)

    def embed_second(self, pixels, face):
        import numpy as np

        self._strike(CheckName.FACE_EMBEDDING_SECOND)
        return np.eye(1, 128, dtype=np.float32)


class MisbehavingWithFace(Misbehaving):
    """As :class:`Misbehaving`, for a picture with a face."""

    def __call__(self, store, limits):
        return _FaceChecks(store, limits, self.culprit, self.how, self.after)
