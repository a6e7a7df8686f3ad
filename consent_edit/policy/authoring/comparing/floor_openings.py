"""Facts that no rule reads, filled in so that the floor lets the point through, if that can be done at all.

A point that the floor refuses whatever the unread facts are is no difference to anybody. So unread facts are
chosen in the floor's favour: each has one or two values of which one is best, and the picture follows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum, StrEnum
from functools import lru_cache
from itertools import product
from typing import Final

from consent_edit import vocabulary as words
from consent_edit.policy.facts import PersonFacts
from consent_edit.policy.points import FactValue, Point, consistent, point_of
from consent_edit.policy.testing import benign
from consent_edit.vocabulary import PHOTO_BOUND_OPERATIONS, WHOLE_PICTURE_OPERATIONS, Operation, Region

WORD_FACTS: Final[Mapping[str, type[StrEnum]]] = {
    "stage": words.Stage,
    "checks": words.Checks,
    "environment": words.Environment,
    "kind": words.PersonKind,
    "recognisable": words.Recognisable,
    "consent": words.ConsentStatus,
    "assurance": words.Assurance,
    "age": words.Age,
    "exposure": words.Exposure,
    "exposure_change": words.ExposureChange,
    "intent": words.Intent,
    "photo": words.PhotoBinding,
    "identity_kept": words.IdentityKept,
    "named_person": words.NamedPerson,
}
"""Facts of one word each, with their enum."""

SET_FACTS: Final[Mapping[str, type[StrEnum]]] = {
    "operations": Operation,
    "granted": Operation,
    "touched": Region,
}
"""Facts that are sets of words."""

_NOBODYS: Final = frozenset({Operation.TONE, Operation.BACKGROUND})
_GRADES: Final = (
    _NOBODYS,
    WHOLE_PICTURE_OPERATIONS,
    frozenset(Operation) - PHOTO_BOUND_OPERATIONS,
    frozenset(Operation) - {Operation.FACE_SWAP},
)
FAVOURABLE: Final[Mapping[type[StrEnum], tuple[StrEnum, ...]]] = {
    Operation: tuple(sorted(Operation, key=lambda one: [one not in grade for grade in _GRADES])),
    Region: tuple(Region),
}
"""Members of sets, those first that the floor minds least: what it refuses for one, it does for the next."""

_FLOOR_CLASSES: Final[Mapping[str, tuple[frozenset[str], ...]]] = {
    "stage": (frozenset({"request", "input"}),),
    "kind": (frozenset({"possible_face", "body"}),),
    "consent": (frozenset(words.ConsentStatus) - {words.ConsentStatus.VERIFIED},),
    "assurance": (frozenset({"none", "self_asserted"}), frozenset({"low", "substantial", "high"})),
    "age": (frozenset({"minor", "undetermined"}),),
    "exposure": (frozenset({"nude", "explicit", "undetermined"}),),
    "exposure_change": (frozenset({"increased", "undetermined"}),),
    "identity_kept": (frozenset({"foreign", "undetermined"}),),
    "named_person": (frozenset(words.NamedPerson),),
}
"""Words among which the floor sees no difference; a word not named here stands alone."""

_BENIGN: Final = benign()
_USUAL: Final[Mapping[str, FactValue]] = {
    **{fact: getattr(_BENIGN, fact) for fact in ("stage", "checks", "environment", "operations")},
    **{fact: getattr(_BENIGN.persons[0], fact) for fact in PersonFacts.__dataclass_fields__},
}
_TONE: Final[frozenset[StrEnum]] = frozenset({Operation.TONE})
_SWAP: Final[frozenset[StrEnum]] = frozenset({Operation.TONE, Operation.FACE_SWAP})
_CROWD: Final = 3


class Left(Enum):
    """Why there is no point to compare at."""

    TO_THE_FLOOR = "the floor refuses it whatever else is true"
    IMPOSSIBLE = "no picture is like that"


def floor_class(fact: str, word: StrEnum) -> str:
    """A name for the words of a fact among which the floor sees no difference."""
    return next((min(group) for group in _FLOOR_CLASSES.get(fact, ()) if word in group), word.value)


@lru_cache(maxsize=4096)
def _key(fact: str, value: FactValue) -> object:
    """All that the floor and ``consistent`` can know of a value."""
    if isinstance(value, StrEnum):
        return floor_class(fact, value)
    if not isinstance(value, frozenset):
        return value
    if fact == "touched":
        return bool(value)
    swap = Operation.FACE_SWAP in value
    if fact == "granted":
        return swap
    grades = (value <= _NOBODYS, value <= WHOLE_PICTURE_OPERATIONS, bool(value & PHOTO_BOUND_OPERATIONS))
    return (bool(value), *grades, swap)


def _candidates(known: Mapping[str, FactValue]) -> Iterator[dict[str, FactValue]]:
    """Values for unread facts, natural ones first."""
    simulated = known.get("assurance") is words.Assurance.SIMULATED
    operations = known.get("operations")
    counted = any(fact in known for fact in ("picture.persons", "picture.faces", "picture.swap_consents"))
    swap = isinstance(operations, frozenset) and Operation.FACE_SWAP in operations
    alone = "picture.all_adults" in known
    best: dict[str, tuple[FactValue, ...]] = {
        "stage": (words.Stage.OUTPUT, words.Stage.INPUT),
        "environment": (words.Environment.DEMO if simulated else words.Environment.PRODUCTION,),
        "kind": (words.PersonKind.FACE, words.PersonKind.BODY, words.PersonKind.UNSEEN),
        "recognisable": (words.Recognisable.YES, words.Recognisable.NO),
        "consent": (words.ConsentStatus.VERIFIED, words.ConsentStatus.ABSENT)[: 1 + (counted or alone)],
        "age": (words.Age.ADULT, words.Age.UNDETERMINED)[: 1 + alone],
        "granted": (_TONE, _SWAP)[: 1 + (counted or swap)],
        "crowd": (1, _CROWD)[: 1 + (counted or swap)],
    }
    if "kind" not in known and not counted and not swap:
        best["recognisable"] = (words.Recognisable.YES,)  # a body stands for whoever cannot be recognised
    if "picture.exposed" in known:
        best["exposure"] = (words.Exposure.NONE, words.Exposure.SUGGESTIVE)
    if "picture.more_exposed" in known:
        best["exposure_change"] = (words.ExposureChange.NONE, words.ExposureChange.INCREASED)
    if "picture.revealing" in known:
        best["intent"] = (words.Intent.ORDINARY, words.Intent.REVEALING)
    free = {fact: values for fact, values in best.items() if fact not in known}
    for chosen in product(*free.values()):
        yield dict(zip(free, chosen, strict=True))


def filled(values: Mapping[str, FactValue]) -> Point:
    """The point with these facts; the others as in a benign edit, the picture as they make it.

    Args:
        values: By path. ``crowd`` says how many persons there are where the picture leaves it open.
    """
    known = {**_USUAL, **values}
    face = known["kind"] is words.PersonKind.FACE
    found = known["kind"] is not words.PersonKind.UNSEEN
    verified = known["consent"] is words.ConsentStatus.VERIFIED
    swaps = int(face and verified and _holds(known["granted"], Operation.FACE_SWAP))
    crowd = _number(values.get("crowd", 1))
    faces, swapping = (_number(values.get(f"picture.{name}", 0)) for name in ("faces", "swap_consents"))
    least = max(crowd, faces - face + found, swapping - swaps + found)
    persons = _number(values.get("picture.persons", least))
    faces = _number(values.get("picture.faces", persons - found + face))
    exposed = known["exposure"] is not words.Exposure.NONE
    more = known["exposure_change"] is not words.ExposureChange.NONE
    present = found or persons == 0 or exposed or more or bool(known["touched"])
    adult = known["age"] is words.Age.ADULT and verified
    picture: dict[str, FactValue] = {
        "picture.persons": persons,
        "picture.faces": faces,
        "picture.swap_consents": swaps if crowd == 1 else faces - face + swaps,
        "picture.exposed": exposed,
        "picture.more_exposed": more,
        "picture.revealing": known["intent"] in (words.Intent.REVEALING, words.Intent.SEXUAL),
        "picture.all_adults": adult or not present,
    }
    return point_of({**picture, **known})


def _holds(value: FactValue, member: StrEnum) -> bool:
    return isinstance(value, frozenset) and member in value


def _number(value: FactValue) -> int:
    return value if isinstance(value, int) else 0


def _given(person: PersonFacts) -> bool:
    """Whether such a person comes about: looks that were found altered are those of somebody found."""
    altered = person.identity_kept is words.IdentityKept.ALTERED
    return not (altered and person.kind is words.PersonKind.UNSEEN)


class Completer:
    """Fills unread facts in; remembers what it found for values that the floor cannot tell apart."""

    def __init__(self) -> None:
        self._found: dict[tuple[object, ...], dict[str, FactValue] | Left] = {}

    def complete(self, known: Mapping[str, FactValue]) -> dict[str, FactValue] | Left:
        """Values for unread facts under which the floor refuses nothing, or why there are none.

        Args:
            known: Values of facts by path; the others may be anything.
        """
        key = tuple((fact, _key(fact, known[fact])) for fact in sorted(known))
        if key not in self._found:
            self._found[key] = self._search(known)
        return self._found[key]

    @staticmethod
    def never(fact: str, value: FactValue) -> bool:
        """Whether the floor refuses whoever has this value of this fact."""
        return Completer()._search({fact: value}) is Left.TO_THE_FLOOR

    def _search(self, known: Mapping[str, FactValue]) -> dict[str, FactValue] | Left:
        left = Left.IMPOSSIBLE
        for free in _candidates(known):
            point = filled({**known, **free})
            if not (consistent(point.person, point.picture) and _given(point.person)):
                continue
            left = Left.TO_THE_FLOOR
            if not point.floor():
                return free
        return left
