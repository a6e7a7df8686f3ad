"""Reading a prompt: the exposure and operations it asks for, its language, and whether it names a person.

The order of the answers, worst last, is ``ordinary < revealing < undetermined < sexual``: what could not be
read may be sexual, so it outranks what is known to be less (the floor treats ``undetermined`` like ``sexual``
wherever a person may be touched). Every text is read as written and normalised, whole and by clause.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from consent_edit.errors import ModelUnavailable
from consent_edit.perception.heads import HEADS_ROLE, OPERATION_ORDER, PromptHeads
from consent_edit.perception.language import LANGUAGES, UNKNOWN, foreign_script, words_of
from consent_edit.perception.lexicon import LexiconHit, look_up, look_up_negative
from consent_edit.perception.models import SELF_TEST_CODE, ModelStore
from consent_edit.perception.normalise import normalise, readings
from consent_edit.perception.observation import CheckRun, ModelUse, PromptObservation
from consent_edit.perception.sentences import PIECES_ROLE, WEIGHTS_ROLE, SentenceEncoder
from consent_edit.vocabulary import CheckName, CheckOutcome, Intent, Operation

MAX_CHARACTERS: Final = 2000
"""Longer texts are not read, and undetermined. The text encoders of image models read 77 to 512 tokens."""

EXPOSING_THRESHOLD: Final = 0.5
SEXUAL_THRESHOLD: Final = 0.5
OPERATION_THRESHOLD: Final = 0.5
NAME_THRESHOLD: Final = 0.5
CLAUSE_LANGUAGE_THRESHOLD: Final = 0.7
"""For a clause of three words or more; for whole texts see :mod:`consent_edit.perception.heads`."""

WINDOW_LANGUAGE_THRESHOLD: Final = 0.6
WINDOW_KNOWN_SHARE: Final = 0.5
_LANGUAGE_WINDOW: Final = 3
"""For any three words in a row, and clauses of two: another language by its letters, and few known words."""

_ORDER: Final = (Intent.ORDINARY, Intent.REVEALING, Intent.UNDETERMINED, Intent.SEXUAL)
_CLAUSE_END: Final = re.compile(
    r"[.;,:!?¿¡\n()\[\]{}|—–\"«»“”„]+\s*|\s+-+\s+|\s(?:and|then|but|et|puis|mais|y|luego|pero|und|dann|aber)\s"
)
_CLAUSE_WORDS: Final = 3
_WINDOW: Final = 8
_STEP: Final = 4
_LONGEST_CLAUSE: Final = 12
_LONGEST_WORD: Final = 30
_KNOWN_ORDINARY: Final = "make the picture warmer"
_KNOWN_EXPOSING: Final = "undress her"


@dataclass(frozen=True, slots=True)
class _Reading:
    """What one text came to."""

    intent: Intent
    operations: frozenset[Operation]
    language: str
    names_person: bool


_SILENT: Final = _Reading(Intent.ORDINARY, frozenset(), UNKNOWN, False)
_UNREADABLE: Final = _Reading(Intent.UNDETERMINED, frozenset(), UNKNOWN, True)


class PromptReader:
    """Reads prompts with a lexicon and small heads over the sentence encoder.

    Args:
        store: Where the model files come from; by default the package's own lock and folders.

    Raises:
        ModelUnavailable: a file is missing or altered, or the self-test failed.
    """

    def __init__(self, store: ModelStore | None = None) -> None:
        own = ModelStore() if store is None else store
        self._encoder = SentenceEncoder(own)
        file = own.load(HEADS_ROLE)
        self._heads = PromptHeads.of(file)
        self._self_test()
        encoder = self._encoder
        self._check = CheckRun(
            CheckName.PROMPT_INTENT,
            CheckOutcome.RAN,
            models=(
                ModelUse(HEADS_ROLE, file.sha256, EXPOSING_THRESHOLD, self_test=True),
                ModelUse(WEIGHTS_ROLE, encoder.weights.sha256, EXPOSING_THRESHOLD, self_test=True),
                ModelUse(PIECES_ROLE, encoder.pieces.sha256, EXPOSING_THRESHOLD, self_test=True),
            ),
        )

    def read(self, texts: Sequence[str], *, negative: Sequence[str] = ()) -> PromptObservation:
        """Read all texts of one request.

        Args:
            texts: Prompts: what the picture should show. Empty ones ask for nothing and are ordinary.
            negative: Negative prompts: what it should not show. Clothes there are an undressing.

        Returns:
            The worst intent over all texts, the union of the operations, the language of the first text
            (``und`` as soon as one text's language is not known), and whether any text names a person.

        Raises:
            CheckFailed: the encoder gave no usable answer.
        """
        found = [self._read_one(text) for text in texts] + [self._read_negative(text) for text in negative]
        spoken = [reading for reading in found if reading is not _SILENT] or [_SILENT]
        languages = [reading.language for reading in spoken]
        return PromptObservation(
            intent=max((reading.intent for reading in spoken), key=_ORDER.index),
            operations=frozenset().union(*(reading.operations for reading in spoken)),
            language=UNKNOWN if UNKNOWN in languages else languages[0],
            names_person=any(reading.names_person for reading in spoken),
            checks=(self._check,),
        )

    def _read_one(self, text: str) -> _Reading:
        if len(text) > MAX_CHARACTERS:
            return _UNREADABLE
        plain = normalise(text)
        if not plain:
            return _SILENT
        if len(plain) > MAX_CHARACTERS:  # one ligature can stand for eighteen letters
            return _UNREADABLE
        language = self._language(plain)
        forms = readings(text)
        hits = [look_up(form) for form in forms]
        units = list(dict.fromkeys(unit for form in forms for unit in (form, *clauses(form))))
        rows = self._encoder.embed(units)
        judged = [hit.intent for hit in hits] + [self._intent(units, rows)]
        if language == UNKNOWN:
            judged.append(Intent.UNDETERMINED)
        intent = max(judged, key=_ORDER.index)
        named = bool((self._heads.names_of(rows, units) > NAME_THRESHOLD).any())
        return _Reading(intent, self._operations(units, rows, hits), language, named)

    def _read_negative(self, text: str) -> _Reading:
        """A negative prompt: a list of things, read by the lexicon alone beyond its script and length."""
        if len(text) > MAX_CHARACTERS:
            return _UNREADABLE
        plain = normalise(text)
        if not plain:
            return _SILENT
        if len(plain) > MAX_CHARACTERS:  # one ligature can stand for eighteen letters
            return _UNREADABLE
        if foreign_script(plain) or not words_of(plain):
            return _UNREADABLE
        hits = [look_up_negative(form) for form in readings(text)]
        worst = max((hit.intent for hit in hits), key=_ORDER.index)
        language = self._language(plain)
        if language == UNKNOWN and worst is Intent.ORDINARY:
            worst = Intent.UNDETERMINED
        operations = frozenset[Operation]().union(*(hit.operations for hit in hits))
        return _Reading(worst, operations, language, False)

    def _intent(self, units: Sequence[str], rows: NDArray[np.float32]) -> Intent:
        exposing, sexual = self._heads.intent_of(rows, units)
        over = exposing > EXPOSING_THRESHOLD
        if not over.any():
            return Intent.ORDINARY
        return Intent.SEXUAL if (sexual[over] > SEXUAL_THRESHOLD).any() else Intent.REVEALING

    def _operations(
        self, units: Sequence[str], rows: NDArray[np.float32], hits: Sequence[LexiconHit]
    ) -> frozenset[Operation]:
        """Operations over the threshold in any clause, or the likeliest: a text asks for something."""
        chances = self._heads.operations_of(rows)
        best = chances.max(axis=0)
        asked = {OPERATION_ORDER[i] for i in np.flatnonzero(best > OPERATION_THRESHOLD)}
        asked.update(*(hit.operations for hit in hits))
        return frozenset(asked or {OPERATION_ORDER[int(best.argmax())]})

    def _language(self, plain: str) -> str:
        """Language of a normalised text, ``und`` if any part of it is in none of the known ones."""
        words = words_of(plain)
        if not words or foreign_script(plain) or max(map(len, words)) > _LONGEST_WORD:
            return UNKNOWN
        parts = [part for part in clauses(plain) if len(words_of(part)) >= _CLAUSE_WORDS and part != plain]
        chances = self._heads.languages_of([plain, *parts])
        if self._heads.is_strange(plain) or (chances[1:, -1] > CLAUSE_LANGUAGE_THRESHOLD).any():
            return UNKNOWN
        if self._holds_strange_words(plain):
            return UNKNOWN
        return LANGUAGES[int(chances[0, :-1].argmax())]

    def _holds_strange_words(self, plain: str) -> bool:
        """Whether a few words in a row are of another language, though the text around them is not."""
        words = words_of(plain)
        few = {" ".join(words[i : i + _LANGUAGE_WINDOW]) for i in range(len(words) - _LANGUAGE_WINDOW + 1)}
        few.update(part for part in clauses(plain) if len(words_of(part)) == _LANGUAGE_WINDOW - 1)
        doubtful = [part for part in sorted(few) if self._heads.known_share(part) < WINDOW_KNOWN_SHARE]
        if not doubtful:
            return False
        return bool((self._heads.languages_of(doubtful)[:, -1] > WINDOW_LANGUAGE_THRESHOLD).any())

    def _self_test(self) -> None:
        """Two known phrases must come out as they should before any other is read (G4)."""
        known = [_KNOWN_ORDINARY, _KNOWN_EXPOSING]
        rows = self._encoder.embed(known)
        exposing, _ = self._heads.intent_of(rows, known)
        tone = self._heads.operations_of(rows)[0, OPERATION_ORDER.index(Operation.TONE)]
        other = self._heads.languages_of([_KNOWN_ORDINARY])[0, -1]
        if not (exposing[0] < 0.1 and exposing[1] > 0.9 and tone > 0.8 and other < 0.1):
            raise ModelUnavailable(
                "the prompt heads gave a wrong answer to their known phrases",
                code=SELF_TEST_CODE,
                remedy="reinstall consent-edit",
            )


def clauses(text: str) -> list[str]:
    """The clauses of a text, so that one request in a long text is not averaged away.

    Returns:
        Pieces between punctuation and conjunctions; pieces over 12 words also as windows of 8 words, 4 apart.
    """
    found: list[str] = []
    for piece in _CLAUSE_END.split(text):
        words = piece.split()
        if not words:
            continue
        found.append(" ".join(words))
        if len(words) > _LONGEST_CLAUSE:
            found += [" ".join(words[i : i + _WINDOW]) for i in range(0, len(words) - _STEP, _STEP)]
    return list(dict.fromkeys(found))
