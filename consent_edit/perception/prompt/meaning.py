"""What texts mean to the trained heads, whichever encoder reads them: exposure, operations, names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from consent_edit.perception.prompt.heads import OPERATION_ORDER, PromptHeads, chance
from consent_edit.perception.prompt.sentences import SentenceEncoder
from consent_edit.perception.prompt.sentences_second import SecondSentenceEncoder
from consent_edit.thresholds import Thresholds
from consent_edit.vocabulary import Intent, Operation

_SECOND_LETTERS: Final = re.compile("[\u0900-\u097f\u1ea0-\u1ef9\u0103\u0111\u01a1\u01b0]")
"""Letters of Hindi, and of Vietnamese beyond those that other known languages use."""

_MOST_DOUBTFUL: Final = 16
"""At most so many units of a text are read by the second encoder for doubt, the likeliest exposing ones."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """What the heads say about the units of one text."""

    intent: Intent
    operations: frozenset[Operation]
    named: bool


class MeaningReader:
    """Applies the heads to texts.

    Args:
        first: The encoder that reads every text.
        second: The encoder that reads Hindi, Vietnamese and doubtful texts; None where its file is not there.
        heads: The trained heads.
        limits: The operating thresholds.
    """

    def __init__(
        self,
        first: SentenceEncoder,
        second: SecondSentenceEncoder | None,
        heads: PromptHeads,
        limits: Thresholds,
    ) -> None:
        self._first, self._second = first, second
        self._heads, self._limits = heads, limits

    def read(self, units: Sequence[str]) -> Meaning:
        """Read the units of a text, at least one.

        Raises:
            CheckFailed: an encoder gave no usable answer.
        """
        exposing, sexual, operations, names = self._all(units)
        over = exposing > self._limits.prompt_exposing
        intent = Intent.ORDINARY
        if over.any():
            severe = (sexual[over] > self._limits.prompt_sexual).any()
            intent = Intent.SEXUAL if severe else Intent.REVEALING
        best = operations.max(axis=0)
        asked = {OPERATION_ORDER[i] for i in np.flatnonzero(best > self._limits.prompt_operation)}
        asked = asked or {OPERATION_ORDER[int(best.argmax())]}  # a text asks for something
        return Meaning(intent, frozenset(asked), bool((names > self._limits.prompt_name).any()))

    def chances(self, units: Sequence[str]) -> float:
        """How likely the likeliest unit is to be exposing; 0 without any."""
        return float(self._all(units)[0].max()) if units else 0.0

    def tells_apart(self, ordinary: str, exposing: str) -> bool:
        """Whether each exposing head by itself knows an ordinary text from an exposing one: the self-test."""
        texts = [ordinary, exposing]
        rows = self._first.embed(texts)
        answers = [self._heads.first.exposing_of(rows, texts)]
        if self._second is not None:
            again = self._second.embed(texts)
            answers += [
                self._heads.second.exposing_of(again, texts),
                self._heads.joint.exposing_of(rows, again),
            ]
        return all(bool(calm < 0.2 and wild > 0.8) for calm, wild in map(chance, answers))

    def _all(
        self, units: Sequence[str]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Chances per unit: exposing (n,), sexual (n,), operations (n, 14), names (n,)."""
        own = self._heads.first
        rows = self._first.embed(units)
        exposing, sexual = own.exposing_of(rows, units), own.sexual_of(rows)
        operations, names = own.operations_of(rows), own.names_of(rows, units)
        if self._second is not None:
            foreign = np.array([_SECOND_LETTERS.search(unit) is not None for unit in units])
            at = self._to_read_again(foreign, chance(exposing))
            if len(at):
                texts = [units[i] for i in at]
                other, again = self._heads.second, self._second.embed(texts)
                known = ~foreign[at]  # where the first encoder's answer counts too
                joint = self._heads.joint.exposing_of(rows[at], again)
                alone = other.exposing_of(again, texts)
                exposing[at] = np.where(known, (exposing[at] + alone) / 2 + joint, alone + joint) / 2
                for mine, theirs in (
                    (sexual, other.sexual_of(again)),
                    (operations, other.operations_of(again)),
                    (names, other.names_of(again, texts)),
                ):
                    share = known.reshape(-1, *[1] * (mine.ndim - 1)) / 2
                    mine[at] = share * mine[at] + (1 - share) * theirs
        return chance(exposing), chance(sexual), chance(operations), chance(names)

    def _to_read_again(self, foreign: NDArray[np.bool_], exposing: NDArray[np.float64]) -> NDArray[np.intp]:
        """Units for the second encoder: those the first cannot read, and the likeliest of those it doubts."""
        doubtful = (exposing > self._limits.prompt_doubt_low) & (exposing < self._limits.prompt_doubt_high)
        likeliest = np.argsort(-exposing)
        doubtful_first = [i for i in likeliest if doubtful[i] and not foreign[i]][:_MOST_DOUBTFUL]
        return np.array([*np.flatnonzero(foreign), *doubtful_first], dtype=np.intp)
