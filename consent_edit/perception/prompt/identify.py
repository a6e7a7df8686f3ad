"""Names a text's language part by part; a text is in no known language as soon as one part of it is not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from consent_edit.perception.prompt.clauses import clauses
from consent_edit.perception.prompt.heads import PromptHeads
from consent_edit.perception.prompt.language import (
    OF_SCRIPT,
    UNKNOWN,
    by_script,
    unlettered_language,
    words_of,
)
from consent_edit.perception.prompt.scripts import Script
from consent_edit.thresholds import Thresholds

_CLAUSE_WORDS: Final = 3
_WINDOW: Final = 3
_LONGEST_WORD: Final = 30
_SHORT: Final = 3


@dataclass(frozen=True, slots=True, eq=False)
class LanguageReader:
    """Tells languages apart.

    Args:
        heads: The trained heads.
        limits: The operating thresholds.
        unread: Languages that cannot be read here, and so count as unknown.
    """

    heads: PromptHeads
    limits: Thresholds
    unread: frozenset[str] = frozenset()

    def language_of(self, plain: str) -> str:
        """Language of most letters of a normalised text; ``und`` if any part is in no known one."""
        parts = by_script(plain)
        if not parts or Script.OTHER in parts:
            return UNKNOWN
        named: list[tuple[int, str]] = []
        for script, words in parts.items():
            language = (
                self._lettered(plain, script) if script in OF_SCRIPT else unlettered_language(script, words)
            )
            if language == UNKNOWN or language in self.unread:
                return UNKNOWN
            named.append((sum(map(len, words)), language))
        return max(named)[1]

    def _lettered(self, plain: str, script: Script) -> str:
        """Language of the words of one script that several languages use."""
        whole = self._of_script(plain, script)
        if max(map(len, whole.split())) > _LONGEST_WORD:
            return UNKNOWN
        parts = [self._of_script(part, script) for part in clauses(plain)]
        parts = [part for part in parts if len(part.split()) >= _CLAUSE_WORDS and part != whole]
        chances = self.heads.languages_of([whole, *parts], OF_SCRIPT[script])
        other = self._other(chances, script)
        if self._is_strange(whole, float(other[0])) or (other[1:] > self.limits.prompt_other_clause).any():
            return UNKNOWN
        if self._holds_strange_words(plain, script):
            return UNKNOWN
        return OF_SCRIPT[script][int(chances[0, :-1].argmax())]

    def _other(self, chances: NDArray[np.float64], script: Script) -> NDArray[np.float64]:
        """Probability of any language that cannot be read here; float64 (n,)."""
        readable = [i for i, name in enumerate(OF_SCRIPT[script]) if name not in self.unread]
        return np.asarray(1.0 - chances[:, readable].sum(axis=1), dtype=np.float64)

    def _is_strange(self, text: str, other: float) -> bool:
        """Whether a text is in another language.

        Few known words count against it only where the letters leave room for doubt, so that a rare word
        is no refusal; a single word is given the benefit of the doubt.
        """
        limits = self.limits
        words = text.split()
        if len(words) < 2:
            return other > limits.prompt_other_word and len(words[0]) > _SHORT
        if other > limits.prompt_other_text:
            return self.heads.known_share(text) < limits.prompt_known_enough
        return other > limits.prompt_other_doubt and self.heads.known_share(text) < limits.prompt_known_share

    def _holds_strange_words(self, plain: str, script: Script) -> bool:
        """Whether a few words in a row are of another language, though the text around them is not."""
        words = self._of_script(plain, script).split()
        few = {" ".join(words[i : i + _WINDOW]) for i in range(len(words) - _WINDOW + 1)}
        for part in clauses(plain):
            own = self._of_script(part, script)
            if len(own.split()) == _WINDOW - 1:
                few.add(own)
        share = self.limits.prompt_known_window
        doubtful = [part for part in sorted(few) if self.heads.known_share(part) < share]
        if not doubtful:
            return False
        chances = self.heads.languages_of(doubtful, OF_SCRIPT[script])
        return bool((self._other(chances, script) > self.limits.prompt_other_window).any())

    @staticmethod
    def _of_script(text: str, script: Script) -> str:
        return " ".join(by_script(text).get(script, ())) if words_of(text) else ""
