"""The second encoder, which knows every language and reads best: outvoted by a knob, or buried in work."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from consent_edit.perception.prompt.meaning import MeaningReader
from consent_edit.perception.prompt.tuned import ANSWERS
from consent_edit.thresholds import load_thresholds
from consent_edit.vocabulary import Intent, Operation

MOST_READ_AGAIN = 64
"""Units of one text that may be read by the second encoder: about a second's work."""


class First:
    """Embeds everything alike."""

    def embed(self, texts):
        """One row a text."""
        return np.ones((len(texts), 4), np.float32)


class Second:
    """Gives every text the same answers, and counts what it was asked."""

    def __init__(self, odds):
        self.asked, self.odds = 0, odds

    def answers(self, texts):
        """One row a text."""
        self.asked += len(texts)
        rows = np.full((len(texts), ANSWERS), -9.0)
        rows[:, 0] = self.odds
        return rows


def heads(odds):
    """Heads that give every text the same log odds of an exposing request, and none of anything else."""

    def exposing(rows, *_):
        return np.full(len(rows), odds)

    def nothing(rows, *_):
        return np.full(len(rows), -9.0)

    def operations(rows):
        return np.full((len(rows), len(Operation)), -9.0)

    return SimpleNamespace(
        exposing_of=exposing, sexual_of=nothing, operations_of=operations, names_of=nothing
    )


def reader(limits, *, first, second):
    """A reader whose encoders give these log odds."""
    held = Second(second)
    return MeaningReader(First(), held, SimpleNamespace(first=heads(first)), limits), held


@pytest.mark.parametrize("first", [-4.0, -0.85, 0.0])
def test_text_the_first_encoder_takes_for_harmless_is_read_again(first):
    """However harmless the first encoder holds a text, the second one is asked, and its doubt refuses."""
    meaning, second = reader(load_thresholds(), first=first, second=6.0)
    assert meaning.read(["make it shorter"], 1).intent is Intent.REVEALING
    assert second.asked == 1


@pytest.mark.parametrize("name", ["prompt_exposing", "prompt_part_doubt", "prompt_sexual"])
def test_tighter_reading_lets_nothing_more_through(name):
    """The numbers of the reader, drawn as far as they go, still refuse what the shipped ones refuse."""
    meaning, _ = reader(load_thresholds(tightened={name: 0.0}), first=-0.85, second=6.0)
    assert meaning.read(["make it shorter"], 1).intent is not Intent.ORDINARY
    assert meaning.read(["make it warmer", "make it shorter"], 1).intent is not Intent.ORDINARY


def test_many_units_are_read_again_up_to_a_bound():
    """A thousand clauses cost the second encoder a few of them, the likeliest."""
    meaning, second = reader(load_thresholds(), first=-0.85, second=-6.0)
    meaning.read([f"part {number}" for number in range(1000)], 1)
    assert 0 < second.asked <= MOST_READ_AGAIN


def test_many_hindi_units_bury_the_reader():
    """Two thousand characters of two-letter clauses are not everybody's wait, nor read as harmless unread."""
    meaning, second = reader(load_thresholds(), first=-6.0, second=-6.0)
    letters = [chr(code) for code in range(0x0915, 0x0938)]
    found = meaning.read([one + other for one in letters for other in letters[:20]], 1)
    assert second.asked <= MOST_READ_AGAIN
    assert found.intent is Intent.UNDETERMINED
