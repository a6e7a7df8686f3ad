"""Reading a prompt: the exposure and operations it asks for, its language, and whether it names a person.

The order of the answers, worst last, is ``ordinary < revealing < undetermined < sexual``: what could not be
read may be sexual, so it outranks what is known to be less (the floor treats ``undetermined`` like ``sexual``
wherever a person may be touched). Every text is read as written and normalised, whole and by clause.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy

from consent_edit.errors import ModelUnavailable
from consent_edit.perception.models.lock import SELF_TEST_CODE
from consent_edit.perception.models.store import ModelStore
from consent_edit.perception.observation import CheckRun, ModelUse, PromptObservation
from consent_edit.perception.prompt.clauses import clauses
from consent_edit.perception.prompt.heads import HEADS_ROLE, PromptHeads
from consent_edit.perception.prompt.identify import LanguageReader
from consent_edit.perception.prompt.language import SECOND_ONLY, UNKNOWN, foreign_script, words_of
from consent_edit.perception.prompt.lexicon import look_up, look_up_negative, without_protection
from consent_edit.perception.prompt.meaning import MeaningReader
from consent_edit.perception.prompt.normalise import joined, normalise, readings, unweighted
from consent_edit.perception.prompt.sentences import PIECES_ROLE, WEIGHTS_ROLE, SentenceEncoder
from consent_edit.perception.prompt.sentences_second import SECOND_ROLE, second_encoder
from consent_edit.perception.prompt.tuned import TUNED_ROLE
from consent_edit.thresholds import Thresholds, load_thresholds
from consent_edit.vocabulary import CheckName, CheckOutcome, Intent, Operation

MAX_CHARACTERS: Final = 2000
"""Longer texts are not read, and undetermined. The text encoders of image models read 77 to 512 tokens."""

_ORDER: Final = (Intent.ORDINARY, Intent.REVEALING, Intent.UNDETERMINED, Intent.SEXUAL)
_SPLITS: Final = 2
"""Signs inside words from which a text is also read without them."""

_KNOWN_ORDINARY: Final = "make the picture warmer"
_KNOWN_EXPOSING: Final = "undress her"

_RUNTIME: Final = f"numpy-{numpy.__version__}-cpu"


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
    """Reads prompts with a lexicon and small heads over one or two sentence encoders.

    The second encoder is used when its file is there. Without it Hindi and Vietnamese read undetermined, and
    doubtful texts in the other languages are judged by the first encoder alone.

    Args:
        store: Where the model files come from; by default the package's own lock and folders.
        limits: The operating thresholds; by default those that came with the package.

    Raises:
        ModelUnavailable: a needed file is missing, one is altered, or a self-test failed.
    """

    def __init__(self, store: ModelStore | None = None, limits: Thresholds | None = None) -> None:
        own = ModelStore() if store is None else store
        first, second = SentenceEncoder(own), second_encoder(own)
        self._limits = load_thresholds() if limits is None else limits
        file = own.load(HEADS_ROLE)
        heads = PromptHeads.of(file)
        self._meaning = MeaningReader(first, second, heads, self._limits)
        self._languages = LanguageReader(heads, self._limits, frozenset() if second else SECOND_ONLY)
        self._self_test()
        files = [(HEADS_ROLE, file), (WEIGHTS_ROLE, first.weights), (PIECES_ROLE, first.pieces)]
        if second is not None:
            files += [(SECOND_ROLE, second.weights), (TUNED_ROLE, second.tuned)]
        threshold = self._limits.prompt_exposing
        uses = tuple(
            ModelUse(role, used.sha256, threshold, self_test=True, runtime=_RUNTIME) for role, used in files
        )
        self._check = CheckRun(CheckName.PROMPT_INTENT, CheckOutcome.RAN, models=uses)

    def read(self, texts: Sequence[str], *, negative: Sequence[str] = ()) -> PromptObservation:
        """Read all texts of one request.

        Args:
            texts: Prompts: what the picture should show. Empty ones ask for nothing and are ordinary.
            negative: Negative prompts: what it should not show. Clothes there are an undressing.

        Returns:
            The worst intent over all texts, the union of the operations, the language of the first text
            (``und`` as soon as one text's language is not known), and whether any text names a person.
            Operations are empty exactly when no text says anything.

        Raises:
            CheckFailed: an encoder gave no usable answer.
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

    def exposing_chance(self, text: str) -> float:
        """How likely a text is exposing: the number that ``prompt_exposing`` is compared with, for curves.

        Returns:
            1 where a word of the lexicon or an unknown language decides; 0 for a text that says nothing.
        """
        plain = normalise(text)
        if not plain or len(text) > MAX_CHARACTERS or len(plain) > MAX_CHARACTERS:
            return float(bool(plain))
        forms, units = self._forms(text, plain)
        if any(look_up(form).intent is not Intent.ORDINARY for form in forms):
            return 1.0
        if self._languages.language_of(plain) == UNKNOWN:
            return 1.0
        return self._meaning.chances(units, len(forms))

    def _forms(self, text: str, plain: str) -> tuple[tuple[str, ...], list[str]]:
        """The forms in which a text is judged, and what is judged for itself: the forms and their clauses."""
        left = without_protection(plain)
        forms = readings(text) if left == plain else readings(left)
        whole = joined(left)
        extra = [whole] if len(left) - len(whole) >= _SPLITS else []
        forms = tuple(dict.fromkeys(form for form in (*forms, *extra, unweighted(left)) if form))
        return forms, list(dict.fromkeys([*forms, *(part for form in forms for part in clauses(form))]))

    def _read_one(self, text: str) -> _Reading:
        if len(text) > MAX_CHARACTERS:
            return _UNREADABLE
        plain = normalise(text)
        if not plain:
            return _SILENT
        if len(plain) > MAX_CHARACTERS:  # one ligature can stand for eighteen letters
            return _UNREADABLE
        language = self._languages.language_of(plain)
        forms, units = self._forms(text, plain)
        hits = [look_up(form) for form in forms]
        meant = self._meaning.read(units or [plain], max(1, len(forms)))
        judged = [hit.intent for hit in hits]
        if units:
            judged.append(meant.intent)
        if language == UNKNOWN:
            judged.append(Intent.UNDETERMINED)
        operations = meant.operations.union(*(hit.operations for hit in hits))
        return _Reading(
            max(judged, key=_ORDER.index, default=Intent.ORDINARY), operations, language, meant.named
        )

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
        hits = [look_up_negative(form) for form in (*readings(text), joined(plain))]
        worst = max((hit.intent for hit in hits), key=_ORDER.index)
        language = self._languages.language_of(plain)
        if language == UNKNOWN and worst is Intent.ORDINARY:
            worst = Intent.UNDETERMINED
        operations = frozenset[Operation]().union(*(hit.operations for hit in hits))
        return _Reading(worst, operations, language, False)

    def _self_test(self) -> None:
        """Two known phrases must come out as they should before any other is read (G4)."""
        calm = self._meaning.read([_KNOWN_ORDINARY], 1)
        wild = self._meaning.read([_KNOWN_EXPOSING], 1)
        known = self._languages.language_of(_KNOWN_ORDINARY) == "en"
        if not (
            known
            and calm.intent is Intent.ORDINARY
            and Operation.TONE in calm.operations
            and wild.intent is Intent.SEXUAL
            and self._meaning.tells_apart(_KNOWN_ORDINARY, _KNOWN_EXPOSING)
        ):
            raise ModelUnavailable(
                "the prompt heads gave a wrong answer to their known phrases",
                code=SELF_TEST_CODE,
                remedy="reinstall consent-edit",
            )
