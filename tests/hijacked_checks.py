"""Checks whose process was taken over by what it looks at; a child process builds them by name."""

from __future__ import annotations

import os
import pickle
import struct
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from consent_edit.perception.checks import Checks
from consent_edit.vocabulary import CheckName


@dataclass(frozen=True)
class Hijacked:
    """Builds checks that write to the host themselves; picklable, as a build must be.

    Attributes:
        how: ``half`` begins a message and never ends it; ``chatter`` announces a check without end.
        begun: A file that is made when it begins.
    """

    how: str
    begun: Path

    def __call__(self, store, limits):
        return _Hijacked(store, limits, self)


class _Hijacked(Checks):
    def __init__(self, store, limits, told):
        super().__init__(store, limits)
        self._told = told

    def load(self, name):
        return ()

    def detect(self, pixels):
        self._told.begun.touch()
        if self._told.how == "half":
            os.write(int(sys.argv[2]), struct.pack("!i", 1000) + b"x")
            time.sleep(60)
        begin = pickle.dumps(("begin", CheckName.FACE_DETECTION.value, "running"), protocol=4)
        while True:
            os.write(int(sys.argv[2]), struct.pack("!i", len(begin)) + begin)
            time.sleep(0.1)
