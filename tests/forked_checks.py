"""Checks whose answer bears their process's number, for a perception process to build in its child."""

from __future__ import annotations

import os

from consent_edit.perception.checks import Checks
from consent_edit.perception.observation import CheckRun, PromptObservation
from consent_edit.vocabulary import CheckName, CheckOutcome, Intent


class NumberedChecks(Checks):
    """Reads every text as one in the language of its own number."""

    def load(self, name):
        return ()

    def read(self, texts, negative):
        run = CheckRun(CheckName.PROMPT_INTENT, CheckOutcome.RAN)
        return PromptObservation(Intent.ORDINARY, frozenset(), str(os.getpid()), False, (run,))
