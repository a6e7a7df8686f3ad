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

_SECOND_SHARE: Final = 0.5
"""What the second encoder's log odds count where both read a text."""

_MOST_READ_AGAIN: Final = 64
"""At most so many units of a text are read by the second encoder, about a second's work: those that the first
one can read, likeliest first; a text with more that it cannot read is undetermined."""


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
        second: The one that reads all, and Hindi and Vietnamese alone; None where its file is not there.
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

    def read(self, units: Sequence[str], whole: int) -> Meaning:
        """Read the units of a text, at least one.

        Args:
            units: Forms of the whole text, then its parts.
            whole: How many are forms.

        Raises:
            CheckFailed: an encoder gave no usable answer.
        """
        if sum(_second_only(unit) for unit in units) > _MOST_READ_AGAIN:
            return Meaning(Intent.UNDETERMINED, frozenset(), named=False)
        exposing, sexual, operations, names = self._all(units, whole)
        over = exposing > self._limits.prompt_exposing
        intent = Intent.ORDINARY
        if over.any():
            severe = (sexual[over] > self._limits.prompt_sexual).any()
            intent = Intent.SEXUAL if severe else Intent.REVEALING
        best = operations.max(axis=0)
        asked = {OPERATION_ORDER[i] for i in np.flatnonzero(best > self._limits.prompt_operation)}
        asked = asked or {OPERATION_ORDER[int(best.argmax())]}  # a text asks for something
        return Meaning(intent, frozenset(asked), bool((names > self._limits.prompt_name).any()))

    def chances(self, units: Sequence[str], whole: int) -> float:
        """How likely the likeliest unit is to be exposing, parts counting less; 0 without any."""
        return float(self._all(units, whole)[0].max()) if units else 0.0

    def tells_apart(self, ordinary: str, exposing: str) -> bool:
        """Whether each reader by itself knows an ordinary text from an exposing one: the self-test."""
        texts = [ordinary, exposing]
        answers = [self._heads.first.exposing_of(self._first.embed(texts), texts)]
        if self._second is not None:
            answers.append(self._second.answers(texts)[:, 0])
        return all(bool(calm < 0.2 and wild > 0.8) for calm, wild in map(chance, answers))

    def _all(
        self, units: Sequence[str], whole: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Chances per unit: exposing (n,), sexual (n,), operations (n, 14), names (n,)."""
        own = self._heads.first
        rows = self._first.embed(units)
        exposing, sexual = own.exposing_of(rows, units), own.sexual_of(rows)
        operations, names = own.operations_of(rows), own.names_of(rows, units)
        alone = np.ones(len(units), dtype=bool)
        if self._second is not None:
            foreign = np.array([_second_only(unit) for unit in units])
            at = self._to_read_again(foreign, exposing)
            said = self._second.answers([units[i] for i in at])
            alone[at] = False
            # what the first encoder does not know it has no say in
            share = np.where(foreign[at], 1.0, _SECOND_SHARE)
            for mine, theirs in (
                (exposing, said[:, 0]),
                (sexual, said[:, 1]),
                (names, said[:, 2]),
                (operations, said[:, 3:]),
            ):
                part = share.reshape(-1, *[1] * (mine.ndim - 1))
                mine[at] = (1 - part) * mine[at] + part * theirs
        exposing[alone] -= self._limits.prompt_first_doubt
        exposing[whole:] -= self._limits.prompt_part_doubt
        return chance(exposing), chance(sexual), chance(operations), chance(names)

    def _to_read_again(self, foreign: NDArray[np.bool_], exposing: NDArray[np.float64]) -> NDArray[np.intp]:
        """Units for the second encoder: those the first cannot read, and the likeliest of the others."""
        others = [i for i in np.argsort(-exposing) if not foreign[i]][:_MOST_READ_AGAIN]
        return np.array([*np.flatnonzero(foreign), *others], dtype=np.intp)


def _second_only(unit: str) -> bool:
    """Whether only the second encoder knows the language of a unit."""
    return _SECOND_LETTERS.search(unit) is not None
