"""Facts: the total, closed account of a picture that both the floor and the operator's rules decide on."""

from __future__ import annotations

from dataclasses import dataclass

from consent_edit.vocabulary import (
    Age,
    Assurance,
    Checks,
    ConsentStatus,
    Environment,
    Exposure,
    ExposureChange,
    IdentityKept,
    Intent,
    NamedPerson,
    Operation,
    PersonKind,
    PhotoBinding,
    Recognisable,
    Region,
    Stage,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonFacts:
    """One person of one picture. Every field is a closed enum or a set of one; none has a default.

    Attributes:
        photo: Whether this person's grant names the input photo by exact digest.
        granted: Operations of this person's verified grant; empty without one.
        touched: Regions of this person repainted beyond what a tone change of the whole picture explains.
            Empty before the output stage.
    """

    kind: PersonKind
    recognisable: Recognisable
    consent: ConsentStatus
    assurance: Assurance
    age: Age
    exposure: Exposure
    exposure_change: ExposureChange
    intent: Intent
    photo: PhotoBinding
    granted: frozenset[Operation]
    touched: frozenset[Region]
    identity_kept: IdentityKept
    named_person: NamedPerson


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All persons of one request at one stage.

    Attributes:
        persons: Faces first, ``unseen`` last; exactly one ``unseen``, so that the meet is never empty.
        operations: Asked for, read in the prompt, and measured; the union.
        checks: ``COMPLETE`` only if every must-run check of the stage gave an answer.
        environment: ``DEMO`` only where the trust list says so; what leaves then is banded.
    """

    stage: Stage
    persons: tuple[PersonFacts, ...]
    operations: frozenset[Operation]
    checks: Checks
    environment: Environment

    def __post_init__(self) -> None:
        """INVARIANT: exactly one ``unseen``, and it stands last."""
        kinds = [person.kind for person in self.persons]
        if kinds.count(PersonKind.UNSEEN) != 1 or kinds[-1] is not PersonKind.UNSEEN:
            raise ValueError("facts need exactly one unseen person, and last")
