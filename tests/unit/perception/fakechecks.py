"""Checks without models that misbehave on demand; a child process builds them by name."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from consent_edit.perception.checks import Checks
from consent_edit.perception.failures import no_change, no_prompt
from consent_edit.perception.observation import (
    Box,
    CheckRun,
    ExposureReading,
    FaceObservation,
    PictureExposure,
)
from consent_edit.vocabulary import Age, CheckName, CheckOutcome, Exposure, PersonKind, Recognisable


class ObedientChecks(Checks):
    """One recognisable face, ordinary everything; ``misbehave`` is called at the start of every check."""

    def misbehave(self, name: CheckName) -> None:
        """Do nothing."""

    def load(self, name):
        return ()

    def detect(self, pixels):
        self.misbehave(CheckName.FACE_DETECTION)
        points = np.zeros((5, 2), np.float32)
        face = FaceObservation(
            Box(1, 1, 30, 30), PersonKind.FACE, Recognisable.YES, 0.9, ("160", "320-levels"), points
        )
        return (face,)

    def embed(self, pixels, face):
        self.misbehave(CheckName.FACE_EMBEDDING)
        return np.eye(1, 4, dtype=np.float32)

    def embed_second(self, pixels, face):
        self.misbehave(CheckName.FACE_EMBEDDING_SECOND)
        return np.eye(1, 4, dtype=np.float32)

    def bodies(self, pixels, faces):
        self.misbehave(CheckName.BODY_DETECTION)
        return ()

    def age(self, pixels, face):
        self.misbehave(CheckName.APPARENT_AGE)
        return Age.UNDETERMINED

    def expose(self, pixels, people):
        self.misbehave(CheckName.EXPOSURE)
        secret = "SECRET_TOKEN" in os.environ or b"SECRET_TOKEN" in Path("/proc/self/environ").read_bytes()
        reading = ExposureReading(Exposure.NONE, {"secret": float(secret)})
        return PictureExposure(reading, (reading,) * len(people), reading)

    def read(self, texts, negative):
        self.misbehave(CheckName.PROMPT_INTENT)
        return no_prompt(CheckRun(CheckName.PROMPT_INTENT, CheckOutcome.RAN))

    def change(self, before, after, seen_before, seen_after, origin):
        self.misbehave(CheckName.CHANGE)
        return no_change(seen_before, seen_after, CheckRun(CheckName.CHANGE, CheckOutcome.RAN))


class Misbehaving:
    """Makes checks of which one misbehaves; picklable, as a build must be.

    Args:
        culprit: The check.
        how: ``raise``, ``hang``, ``kill`` or ``segfault``.
        once: A file; the check misbehaves only while it does not exist, and makes it.
    """

    def __init__(self, culprit: CheckName, how: str, once: Path | None = None) -> None:
        self.culprit, self.how, self.once = culprit, how, once

    def __call__(self, store, limits):
        culprit, how, once = self.culprit, self.how, self.once

        class Checks_(ObedientChecks):
            def misbehave(self, name):
                if name is not culprit or (once is not None and once.exists()):
                    return
                if once is not None:
                    once.touch()
                match how:
                    case "raise":
                        raise ValueError("about a person")
                    case "hang":
                        time.sleep(60)
                    case "kill":
                        os.kill(os.getpid(), signal.SIGKILL)
                    case "segfault":
                        os.kill(os.getpid(), signal.SIGSEGV)

        return Checks_(store, limits)


def obedient(store, limits):
    """Checks that all answer."""
    return ObedientChecks(store, limits)


class CountingChecks(ObedientChecks):
    """Tell by the face's score which look this is, and by its width which thresholds are in force."""

    looks = 0

    def detect(self, pixels):
        CountingChecks.looks += 1
        (face,) = super().detect(pixels)
        width = self.limits.face_recognisable_width
        return (replace(face, score=float(CountingChecks.looks), box=Box(1, 1, width, width)),)


def counting(store, limits):
    """Builds them in the child."""
    return CountingChecks(store, limits)


class GreedyChecks(ObedientChecks):
    """Ask for more memory than the child may hold."""

    def detect(self, pixels):
        held = np.ones(256 << 20, np.uint8)
        return super().detect(held[:1])


def greedy(store, limits):
    """Builds them in the child."""
    return GreedyChecks(store, limits)
