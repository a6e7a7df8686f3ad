"""The closed enums every layer shares: no layer may invent a value of its own.

Members are strings, so that facts, receipts and policies carry the very words written here.
``UNDETERMINED`` is always a value; ``None`` never stands for "unknown".
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Stage(StrEnum):
    """Where in the flow a decision is taken."""

    REQUEST = "request"
    INPUT = "input"
    PREVIEW = "preview"
    OUTPUT = "output"


class PersonKind(StrEnum):
    """How a person was found in a picture; ``UNSEEN`` is the one person every picture has."""

    FACE = "face"
    POSSIBLE_FACE = "possible_face"
    BODY = "body"
    UNSEEN = "unseen"


class Recognisable(StrEnum):
    """Whether a face is large enough to be recognised (EN 62676-4, about 20 px wide)."""

    YES = "yes"
    NO = "no"


class ConsentStatus(StrEnum):
    """What the verification of a person's consent came to; only ``VERIFIED`` is consent."""

    VERIFIED = "verified"
    ABSENT = "absent"
    MALFORMED = "malformed"
    SIGNATURE_INVALID = "signature_invalid"
    ISSUER_UNTRUSTED = "issuer_untrusted"
    NOT_YET_VALID = "not_yet_valid"
    EXPIRED = "expired"
    REVOKED = "revoked"
    STATUS_UNAVAILABLE = "status_unavailable"
    WRONG_GRANTEE = "wrong_grantee"
    WRONG_AUDIENCE = "wrong_audience"
    WRONG_PURPOSE = "wrong_purpose"
    WRONG_IMAGE = "wrong_image"
    OUT_OF_SCOPE = "out_of_scope"
    EXHAUSTED = "exhausted"
    REPLAYED = "replayed"


class Assurance(StrEnum):
    """Levels of assurance (eIDAS), lowest first; ``SIMULATED`` is below all."""

    SIMULATED = "simulated"
    NONE = "none"
    SELF_ASSERTED = "self_asserted"
    LOW = "low"
    SUBSTANTIAL = "substantial"
    HIGH = "high"

    @property
    def rank(self) -> int:
        """Position in the order, 0 for ``SIMULATED``."""
        return _RANKS[self]

    def at_least(self, other: Assurance) -> bool:
        """Whether this level is ``other`` or above."""
        return self.rank >= other.rank


_RANKS: Final = {level: rank for rank, level in enumerate(Assurance)}


class Age(StrEnum):
    """What the credential shows of a person's age."""

    ADULT = "adult"
    MINOR = "minor"
    UNDETERMINED = "undetermined"


class Exposure(StrEnum):
    """How much of a person is exposed; ``SUGGESTIVE`` is swimwear or underwear."""

    NONE = "none"
    SUGGESTIVE = "suggestive"
    NUDE = "nude"
    EXPLICIT = "explicit"
    UNDETERMINED = "undetermined"


class ExposureChange(StrEnum):
    """How exposure moved from the input picture to the output picture."""

    NONE = "none"
    INCREASED = "increased"
    UNDETERMINED = "undetermined"


class Intent(StrEnum):
    """What a prompt asks for, as far as exposure goes."""

    ORDINARY = "ordinary"
    REVEALING = "revealing"
    SEXUAL = "sexual"
    UNDETERMINED = "undetermined"


class Operation(StrEnum):
    """What an edit does: asked for, read in the prompt, or measured from the changed pixels."""

    BACKGROUND = "background"
    OBJECT = "object"
    CLOTHING = "clothing"
    SWIMWEAR = "swimwear"
    HAIR = "hair"
    MAKEUP = "makeup"
    EXPRESSION = "expression"
    POSE = "pose"
    AGE = "age"
    BODY = "body"
    FACE_SWAP = "face_swap"
    STYLISE = "stylise"
    RESTORE = "restore"
    TONE = "tone"


class Region(StrEnum):
    """Parts of a person; ``UNDETERMINED`` says the difference could not be measured."""

    FACE = "face"
    HAIR = "hair"
    BODY = "body"
    UNDETERMINED = "undetermined"


class IdentityKept(StrEnum):
    """Output face against the credential's template (never against the input face)."""

    SAME = "same"
    ALTERED = "altered"
    FOREIGN = "foreign"
    UNDETERMINED = "undetermined"


class NamedPerson(StrEnum):
    """Whether the prompt names a person, and whether a grant in the request covers them."""

    NONE = "none"
    COVERED = "covered"
    UNCOVERED = "uncovered"


class PhotoBinding(StrEnum):
    """Whether the grant names this very photo by its exact digest."""

    EXACT = "exact"
    NONE = "none"


class Checks(StrEnum):
    """Whether every must-run check gave an answer."""

    COMPLETE = "complete"
    INCOMPLETE = "incomplete"


class CheckOutcome(StrEnum):
    """What became of one check; only ``RAN`` is an answer."""

    RAN = "ran"
    MISSING = "missing"
    FAILED = "failed"
    TIMED_OUT = "timed_out"


class CheckName(StrEnum):
    """The must-run checks, by the name that receipts and ``check.*`` codes carry."""

    FACE_DETECTION = "face-detection"
    FACE_EMBEDDING = "face-embedding"
    FACE_EMBEDDING_SECOND = "face-embedding-second"
    BODY_DETECTION = "body-detection"
    APPARENT_AGE = "apparent-age"
    EXPOSURE = "exposure"
    PROMPT_INTENT = "prompt-intent"
    CHANGE = "change"


class Purpose(StrEnum):
    """Why a picture is edited; a grant is for one purpose (W3C DPV gives the wider terms)."""

    PERSONAL = "personal"
    ENTERTAINMENT = "entertainment"
    ADVERTISING = "advertising"
    TRY_ON = "try_on"
    NEWS = "news"
    RESEARCH = "research"


class Environment(StrEnum):
    """Where a receipt was made; ``DEMO`` never verifies elsewhere."""

    PRODUCTION = "production"
    DEMO = "demo"


IMAGE_CHECKS: Final = frozenset(
    {
        CheckName.FACE_DETECTION,
        CheckName.FACE_EMBEDDING,
        CheckName.FACE_EMBEDDING_SECOND,
        CheckName.BODY_DETECTION,
        CheckName.APPARENT_AGE,
        CheckName.EXPOSURE,
    }
)
"""Checks that every picture, input or output, must have had."""

REQUIRED_CHECKS: Final[dict[Stage, frozenset[CheckName]]] = {
    Stage.REQUEST: frozenset({CheckName.PROMPT_INTENT}),
    Stage.INPUT: IMAGE_CHECKS | {CheckName.PROMPT_INTENT},
    Stage.PREVIEW: IMAGE_CHECKS | {CheckName.PROMPT_INTENT},
    Stage.OUTPUT: IMAGE_CHECKS | {CheckName.PROMPT_INTENT, CheckName.CHANGE},
}
"""The must-run set per stage: fixed here, recorded in every decision, never a setting."""

WHOLE_PICTURE_OPERATIONS: Final = frozenset({Operation.TONE, Operation.BACKGROUND, Operation.RESTORE})
"""What may be done to a picture with people in it who gave no consent (floor.hands-off)."""

PHOTO_BOUND_OPERATIONS: Final = frozenset(
    {
        Operation.CLOTHING,
        Operation.SWIMWEAR,
        Operation.BODY,
        Operation.POSE,
        Operation.AGE,
        Operation.HAIR,
        Operation.FACE_SWAP,
    }
)
"""Operations that need a grant naming the photo by exact digest (floor.photo-required)."""

MINOR_OPERATIONS: Final = frozenset(
    {Operation.BACKGROUND, Operation.OBJECT, Operation.TONE, Operation.RESTORE}
)
"""The only operations a minor's grant can hold."""

OPERATION_REGIONS: Final[dict[Operation, frozenset[Region]]] = {
    Operation.BACKGROUND: frozenset(),
    Operation.OBJECT: frozenset(),
    Operation.TONE: frozenset(),
    Operation.CLOTHING: frozenset({Region.BODY}),
    Operation.SWIMWEAR: frozenset({Region.BODY}),
    Operation.BODY: frozenset({Region.BODY}),
    Operation.POSE: frozenset({Region.FACE, Region.HAIR, Region.BODY}),
    Operation.HAIR: frozenset({Region.HAIR}),
    Operation.MAKEUP: frozenset({Region.FACE}),
    Operation.EXPRESSION: frozenset({Region.FACE}),
    Operation.AGE: frozenset({Region.FACE, Region.HAIR}),
    Operation.FACE_SWAP: frozenset({Region.FACE, Region.HAIR}),
    Operation.STYLISE: frozenset({Region.FACE, Region.HAIR, Region.BODY}),
    Operation.RESTORE: frozenset({Region.FACE, Region.HAIR}),
}
"""Which parts of a person an operation may repaint; a change elsewhere is measured as its own operation."""

MEASURED_OPERATION: Final[dict[Region, Operation]] = {
    Region.FACE: Operation.EXPRESSION,
    Region.HAIR: Operation.HAIR,
    Region.BODY: Operation.BODY,
    Region.UNDETERMINED: Operation.BODY,
}
"""The operation a changed region counts as when nothing asked for explains the change."""
