"""Differences from a benign edit as a command line gives them, checked against the words there are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from consent_edit.errors import InputError
from consent_edit.policy.authoring.comparing.floor_openings import SET_FACTS, WORD_FACTS
from consent_edit.policy.facts import PersonFacts

_OF_PERSONS: Final = frozenset(PersonFacts.__dataclass_fields__)
_PERSONS: Final = "persons"
_UNSEEN: Final = "unseen"


def differences(texts: Sequence[str], persons: int) -> dict[str, str | list[str]]:
    """Read ``PATH=WORD`` texts, with several words between commas for a set.

    Args:
        texts: The texts.
        persons: How many there are beside ``unseen``.

    Raises:
        InputError: one is of another form, or names a fact, a person or a word that there is not.
    """
    return dict(_difference(text, persons) for text in texts)


def _difference(text: str, persons: int) -> tuple[str, str | list[str]]:
    path, equals, word = text.partition("=")
    if not equals or not path:
        raise _wrong(
            f"--change {text}: not of the form PATH=WORD",
            "as in persons.0.consent=revoked, or operations=hair,tone",
        )
    first, *steps = path.split(".")
    fact = path if first != _PERSONS or len(steps) != 2 else _of_person(path, steps, persons)
    known = {**WORD_FACTS, **SET_FACTS}
    facts = sorted(known.keys() & _OF_PERSONS if first == _PERSONS else known.keys() - _OF_PERSONS)
    if fact not in facts:
        place = f"{_PERSONS}.0." if first == _PERSONS else ""
        raise _wrong(f"{path}: no such fact", f"one of: {', '.join(f'{place}{one}' for one in facts)}")
    words = [one for one in word.split(",") if one] if fact in SET_FACTS else [word]
    there = [one.value for one in known[fact]]
    if missing := [one for one in words if one not in there]:
        raise _wrong(f"{path}={','.join(missing)}: no such word; one of: {', '.join(there)}", "")
    return path, words if fact in SET_FACTS else word


def _of_person(path: str, steps: Sequence[str], persons: int) -> str:
    who, fact = steps
    if who != _UNSEEN and not (who.isdecimal() and int(who) <= persons):
        there = "is 1 person" if persons == 1 else f"are {persons} persons"
        more = f"; --persons {int(who) + 1}" if who.isdecimal() else f", called {_PERSONS}.{_UNSEEN}"
        raise _wrong(f"{path}: there {there} and {_UNSEEN}{more}", "")
    return fact


def _wrong(message: str, remedy: str) -> InputError:
    return InputError(
        message,
        code="input.explain",
        remedy=remedy or "consent-edit policy explain --help shows how a change is written",
    )
