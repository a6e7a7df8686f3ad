"""What must never leave, said a third time: the design's list, line by line, as plain data.

Each entry is one way in which an edit is banned: all of its clauses hold at once. Where the design says what
may pass, the entry lists the words that may not, so that it cannot share a slip with the floors' code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from consent_edit.errors import CheckFailed
from consent_edit.policy.points import FactValue
from consent_edit.policy.proof.space import Values


@dataclass(frozen=True, slots=True)
class Is:
    """The fact is one of these words."""

    fact: str
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HasAny:
    """The set holds one of these words at least."""

    fact: str
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Empty:
    """The set holds nothing."""

    fact: str


@dataclass(frozen=True, slots=True)
class Flagged:
    """The flag stands like this."""

    fact: str
    value: bool


@dataclass(frozen=True, slots=True)
class Fewer:
    """The count is below this."""

    fact: str
    than: int


Clause: TypeAlias = Is | HasAny | Empty | Flagged | Fewer


@dataclass(frozen=True, slots=True)
class Banned:
    """One way in which an edit is banned.

    Attributes:
        rule: The floor's rule that is to keep it from leaving.
        name: What it is, in words.
        clauses: All hold at once.
    """

    rule: str
    name: str
    clauses: tuple[Clause, ...]

    @property
    def reads(self) -> frozenset[str]:
        """The facts it is about."""
        return frozenset(clause.fact for clause in self.clauses)

    def covers(self, values: Values) -> bool:
        """Whether a point is banned so."""
        return all(_holds(clause, values[clause.fact]) for clause in self.clauses)


def _holds(clause: Clause, value: FactValue) -> bool:
    match clause, value:
        case Is(_, words), str():
            return str(value) in words
        case HasAny(_, words), frozenset():
            return any(str(word) in words for word in value)
        case Empty(), frozenset():
            return not value
        case Flagged(_, wanted), bool():
            return value is wanted
        case Fewer(_, than), int():
            return value < than
    raise CheckFailed(f"a banned case asks of {clause.fact} what it is not")


_RECOGNISABLE_FACE: Final = (Is("kind", ("face",)), Is("recognisable", ("yes",)))
_NO_CONSENT: Final = Is(
    "consent",
    (
        *("absent", "malformed", "signature_invalid", "issuer_untrusted", "not_yet_valid", "expired"),
        *("revoked", "status_unavailable", "wrong_grantee", "wrong_audience", "wrong_purpose"),
        *("wrong_image", "out_of_scope", "exhausted", "replayed"),
    ),
)
_NOT_SHOWN_ADULT: Final = Is("age", ("minor", "undetermined"))
_MADE: Final = Is("stage", ("preview", "output"))
_FOUND: Final = Is("kind", ("face", "possible_face", "body"))
_EXPOSED: Final = Is("exposure", ("suggestive", "nude", "explicit", "undetermined"))
_MORE: Final = Is("exposure_change", ("increased", "undetermined"))
_REVEALING: Final = Is("intent", ("revealing", "sexual"))
_CANNOT_BE_ASKED: Final = Is("kind", ("possible_face", "body", "unseen"))
_TOUCHED: Final = HasAny("touched", ("face", "hair", "body", "undetermined"))
_REPAINTS: Final = HasAny(
    "operations",
    (
        *("object", "clothing", "swimwear", "hair", "makeup", "expression", "pose", "age", "body"),
        *("face_swap", "stylise"),
    ),
)
_MAY_TOUCH_A_PERSON: Final = HasAny("operations", (*_REPAINTS.words, "restore"))
_UNEXPLAINED: Final = Empty("operations")
_SMALL_FACE: Final = Is("recognisable", ("no",))
_SWAP: Final = HasAny("operations", ("face_swap",))
_ONE_SIDED: Final = Fewer("picture.swap_consents", 2)
_SOMEBODY_NOT_ADULT: Final = Flagged("picture.all_adults", False)

_LIST: Final[Mapping[str, Mapping[str, tuple[Clause, ...]]]] = {
    "floor.checks-incomplete": {
        "a check that must run gave no answer": (Is("checks", ("incomplete",)),),
    },
    "floor.consent-required": {
        "a recognisable face without verified consent": (*_RECOGNISABLE_FACE, _NO_CONSENT),
        "a recognisable face whose consent is worth too little": (
            *_RECOGNISABLE_FACE,
            Is("assurance", ("none", "self_asserted")),
        ),
        "a recognisable face with simulated consent outside the demo": (
            *_RECOGNISABLE_FACE,
            Is("assurance", ("simulated",)),
            Is("environment", ("production",)),
        ),
    },
    "floor.hands-off": {
        "somebody who cannot be asked, repainted": (_CANNOT_BE_ASKED, _TOUCHED, _REPAINTS),
        "somebody who cannot be asked, touched by nobody knows what": (
            _CANNOT_BE_ASKED,
            _TOUCHED,
            _UNEXPLAINED,
        ),
        "a face too small to recognise, repainted": (_SMALL_FACE, _TOUCHED, _REPAINTS),
        "a face too small to recognise, touched by nobody knows what": (_SMALL_FACE, _TOUCHED, _UNEXPLAINED),
    },
    "floor.nudity-of-real-person": {
        "nudity, or exposure that nobody could read": (Is("exposure", ("nude", "explicit", "undetermined")),),
    },
    "floor.sexual-intent": {
        "a sexual prompt": (Is("intent", ("sexual",)),),
        "an unreadable prompt that may touch a person": (
            Is("intent", ("undetermined",)),
            _MAY_TOUCH_A_PERSON,
        ),
        "an unreadable prompt for nobody knows what": (Is("intent", ("undetermined",)), _UNEXPLAINED),
    },
    "floor.sexualised-minor": {
        "somebody exposed in what was made, and somebody not shown to be an adult": (
            _SOMEBODY_NOT_ADULT,
            Flagged("picture.exposed", True),
            _MADE,
        ),
        "somebody more exposed, and somebody not shown to be an adult": (
            _SOMEBODY_NOT_ADULT,
            Flagged("picture.more_exposed", True),
        ),
        "a revealing prompt, and somebody not shown to be an adult": (
            _SOMEBODY_NOT_ADULT,
            Flagged("picture.revealing", True),
        ),
        "a possible minor exposed in what was made": (_NOT_SHOWN_ADULT, _EXPOSED, _MADE),
        "a possible minor more exposed": (_NOT_SHOWN_ADULT, _MORE),
        "a possible minor and a revealing prompt for her": (_FOUND, _NOT_SHOWN_ADULT, _REVEALING),
        "a possible minor beside somebody exposed": (
            _FOUND,
            _NOT_SHOWN_ADULT,
            Flagged("picture.exposed", True),
            _MADE,
        ),
        "somebody without consent more exposed": (_NO_CONSENT, _MORE),
        "somebody without consent exposed in what was made": (_NO_CONSENT, _EXPOSED, _MADE),
    },
    "floor.foreign-identity": {
        "a face in what was made that is not the consenting person's": (
            _MADE,
            *_RECOGNISABLE_FACE,
            Is("identity_kept", ("foreign", "undetermined")),
        ),
        "a face in what was made that no grant covers": (_MADE, *_RECOGNISABLE_FACE, _NO_CONSENT),
    },
    "floor.photo-required": {
        "a change of body, age, hair or face without a grant for this photo": (
            *_RECOGNISABLE_FACE,
            Is("photo", ("none",)),
            HasAny("operations", ("clothing", "swimwear", "body", "pose", "age", "hair", "face_swap")),
        ),
        "a face swap without both persons' grant": (Is("kind", ("face",)), _SWAP, _ONE_SIDED),
        "a face swap where no face was found": (
            Is("kind", ("unseen",)),
            _SWAP,
            _ONE_SIDED,
            Fewer("picture.faces", 1),
        ),
    },
}

BANNED: Final = tuple(
    Banned(rule, name, clauses) for rule, cases in _LIST.items() for name, clauses in cases.items()
)
"""Every way in which an edit is banned."""
