"""One error tree; no other exception leaves the package.

::

    ConsentEditError            .code .message .remedy, diagnostics()
    ├── InputError              exit 2: what was handed in cannot be used (input.*)
    │   ├── ImageRejected       bytes that are no picture, or one outside the limits
    │   ├── ArgumentRejected    an argument or pipeline nobody has classified
    │   ├── EnrolmentRefused    photos that do not show one and the same person well
    │   └── PolicyInvalid       policy text that does not validate
    ├── EditRefused             exit 3: the decision was to refuse; holds what the requester may read, no more
    ├── Unavailable             exit 4: a needed part is missing or broke (check.*)
    │   ├── ModelUnavailable    a weight file is missing, altered or failed its self-test
    │   ├── CheckFailed         a check raised, hung or gave no answer
    │   └── StoreUnavailable    the log or store could not be read or written
    └── VerificationFailed      exit 5: a signature, receipt or credential does not hold
        ├── ConsentInvalid      .status says why, in the words of ConsentStatus
        └── ReceiptInvalid      a receipt, or the file it speaks of, does not verify

An error's message never holds a template, a key, a prompt or a picture.
"""

from __future__ import annotations

from typing import ClassVar

from consent_edit.vocabulary import ConsentStatus


class ConsentEditError(Exception):
    """Base of every error the package raises.

    Args:
        message: One sentence for people: what happened.
        code: Stable machine code, such as ``input.truncated``.
        remedy: The next step that would help, or an empty string.
    """

    exit_code: ClassVar[int] = 4
    default_code: ClassVar[str] = "error"

    def __init__(self, message: str, *, code: str = "", remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.remedy = remedy

    def diagnostics(self) -> str:
        """The message and the next step, for a terminal."""
        lines = [f"{self.code}: {self.message}"]
        if self.remedy:
            lines.append(f"  what to do: {self.remedy}")
        return "\n".join(lines)


class InputError(ConsentEditError):
    """What was handed in cannot be used."""

    exit_code = 2
    default_code = "input.invalid"


class ImageRejected(InputError):
    """Bytes that are no picture we take, or a picture outside the limits."""

    default_code = "input.unreadable"


class ArgumentRejected(InputError):
    """An argument, pipeline or combination that nobody has classified."""

    default_code = "input.argument"


class EnrolmentRefused(InputError):
    """Enrolment photos that do not show one and the same person well enough."""

    default_code = "input.enrolment"


class PolicyInvalid(InputError):
    """Policy text that does not parse, validate or keep to the limits."""

    default_code = "input.policy"


class EditRefused(ConsentEditError):
    """The edit was decided against; nothing left.

    It carries what the requester may know (G7) and nothing else. The exact codes are in the decision
    record that ``decision_id`` names, for the operator and the person depicted.

    Attributes:
        codes: Public reason codes, never empty; every consent code reads ``consent.required``.
        boxes: Boxes (x, y, width, height in pixels) of the people whose consent is needed: in the
            picture handed in, or, when the output was refused, in the picture that did not leave.
        pictures: For each box the picture it lies in: ``image`` for the one edited and what was made of it,
            else the name of a further picture, such as ``control_image`` or ``image[1]``.
        remedies: What to do next, a sentence each.
        decision_id: Name of the decision record in the operator's log; empty if none could be written.
    """

    exit_code = 3
    default_code = "refused"

    def __init__(
        self,
        message: str,
        *,
        codes: tuple[str, ...],
        boxes: tuple[tuple[int, int, int, int], ...] = (),
        pictures: tuple[str, ...] = (),
        remedies: tuple[str, ...] = (),
        decision_id: str = "",
    ) -> None:
        super().__init__(message, code=codes[0], remedy=" ".join(remedies))
        self.codes = codes
        self.boxes = boxes
        self.pictures = pictures
        self.remedies = remedies
        self.decision_id = decision_id


class Unavailable(ConsentEditError):
    """A needed part is missing or broke; edits are refused until it is back."""

    exit_code = 4
    default_code = "check.unavailable"


class ModelUnavailable(Unavailable):
    """A weight file is missing, altered, or failed its self-test."""

    default_code = "check.model-unavailable"


class CheckFailed(Unavailable):
    """A check raised, hung or gave no answer."""

    default_code = "check.failed"


class StoreUnavailable(Unavailable):
    """The log or the store could not be read or written."""

    default_code = "check.store-unavailable"


class VerificationFailed(ConsentEditError):
    """A signature, receipt or credential does not hold."""

    exit_code = 5
    default_code = "verification.failed"


class ConsentInvalid(VerificationFailed):
    """Consent that does not hold; ``status`` says why."""

    def __init__(self, status: ConsentStatus, message: str) -> None:
        super().__init__(message, code=f"consent.{status.value}")
        self.status = status


class ReceiptInvalid(VerificationFailed):
    """A receipt, or the file it speaks of, does not verify."""

    default_code = "verification.receipt"
