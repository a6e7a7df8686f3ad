"""One plain sentence and one next step for every reason code, in English and French."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from consent_edit.policy import wording
from consent_edit.policy.codes import (
    ENGINE_FAILED,
    NOT_PERMITTED,
    RESTRICTION_FAILED,
    RuleText,
    check_code,
    family,
)
from consent_edit.vocabulary import CheckName, CheckOutcome

Language: TypeAlias = Literal["en", "fr"]


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a person reads for one code.

    Attributes:
        code: The code explained.
        sentence: What happened.
        remedy: The next step that would help.
    """

    code: str
    sentence: str
    remedy: str


def _checks() -> dict[str, wording.Wording]:
    """A sentence for every check and every way in which it can give no answer."""
    told: dict[str, wording.Wording] = {}
    for name in CheckName:
        for outcome in CheckOutcome:
            if outcome is CheckOutcome.RAN:
                continue
            what, quoi = wording.CHECK_NAMES[name.value]
            became, devenu = wording.CHECK_OUTCOMES[outcome.value]
            told[check_code(name, outcome)] = (
                f"A check gave no answer: {what} {became}.",
                f"Un contrôle n'a pas répondu ({quoi}) : il {devenu}.",
                *wording.CHECK_FALLBACK[2:],
            )
    return told


_TOLD: Final[dict[str, wording.Wording]] = {
    **wording.FLOOR,
    **wording.CONSENT,
    **_checks(),
    ENGINE_FAILED: wording.ENGINE_FAILED,
    RESTRICTION_FAILED: wording.RESTRICTION_FAILED,
    NOT_PERMITTED: wording.NOT_PERMITTED,
}
_FALLBACK: Final[dict[str, wording.Wording]] = {
    "consent": wording.CONSENT["consent.required"],
    "check": wording.CHECK_FALLBACK,
    "policy": wording.POLICY_FALLBACK,
    "input": wording.INPUT_FALLBACK,
}


def explain(code: str, language: Language = "en", texts: Iterable[RuleText] = ()) -> Explanation:
    """Explain one code; total over every string, so that a refusal is never without words.

    Args:
        code: A reason code.
        language: ``en`` or ``fr``. A rule without French words of its own is told in its author's.
        texts: What the operator's rules say, from the decision or the bundle.

    Returns:
        The sentence and the remedy.
    """
    english, french, help_, aide = _TOLD.get(code) or _FALLBACK.get(family(code), wording.UNKNOWN)
    for said in texts:
        if said.code == code:
            english, french = said.reason or english, said.reason_fr or said.reason or french
            help_, aide = said.remedy or help_, said.remedy_fr or said.remedy or aide
    return Explanation(code, french, aide) if language == "fr" else Explanation(code, english, help_)


def sentences(
    codes: Iterable[str], language: Language = "en", texts: Iterable[RuleText] = ()
) -> tuple[str, ...]:
    """One sentence a code, in the order of the codes."""
    rules = tuple(texts)
    return tuple(explain(code, language, rules).sentence for code in codes)


def remedies(
    codes: Iterable[str], language: Language = "en", texts: Iterable[RuleText] = ()
) -> tuple[str, ...]:
    """The remedies of the codes, each once, in the order of the codes."""
    rules = tuple(texts)
    return tuple(dict.fromkeys(explain(code, language, rules).remedy for code in codes))
