"""What the issuer's commands read and write: photos, cards of holders and guardians, sealed packages."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pydantic import ValidationError

from consent_edit.cli.terminal import read_file, say
from consent_edit.consent.binding import LIVENESS_CAPS, Guardian
from consent_edit.consent.issuing.capture import Capture, CaptureSource
from consent_edit.consent.issuing.issue import Enrolment
from consent_edit.consent.keys import write_private
from consent_edit.consent.presentation import CredentialPackage, HolderCard
from consent_edit.consent.wire import read_wire
from consent_edit.enrolment import capture_of
from consent_edit.enrolment.review import ShownPhoto
from consent_edit.errors import ConsentInvalid, InputError, Unavailable
from consent_edit.intake.decode import decode
from consent_edit.vocabulary import Assurance


class Level(StrEnum):
    """Levels that an issuer may claim; the others are nobody's to claim."""

    SELF_ASSERTED = "self_asserted"
    LOW = "low"
    SUBSTANTIAL = "substantial"
    HIGH = "high"

    @property
    def assurance(self) -> Assurance:
        """As evidence names it."""
        return Assurance(self.value)


class Liveness(StrEnum):
    """How it is known that a person was there: the names of ``LIVENESS_CAPS``, or none of them."""

    NONE = "none"
    SUPERVISED_SESSION = "supervised_session"
    ISO_LEVEL_2 = "iso30107-3-level-2"
    ISO_LEVEL_1 = "iso30107-3-level-1"
    PASSIVE = "passive"

    @property
    def method(self) -> str:
        """As evidence names it; empty for none."""
        return "" if self is Liveness.NONE else self.value


def why_capped(
    asked: Assurance, issued: Assurance, liveness: Liveness, source: CaptureSource, highest: Assurance
) -> str:
    """Why a credential ends below the level asked for; empty when it does not.

    Args:
        highest: The issuer's own.
    """
    if issued.at_least(asked):
        return ""
    if source is not CaptureSource.OWN:
        why = "photos that were handed in are worth self_asserted"
    elif not LIVENESS_CAPS.get(liveness.method, Assurance.SELF_ASSERTED).at_least(asked):
        why = f"liveness {liveness.value} is worth no more"
    elif not highest.at_least(asked):
        why = "this issuer reaches no more"
    else:
        why = "the credential or the review before it says no more"
    need = "" if issued.at_least(Assurance.LOW) else "; edits need low"
    return f"{asked.value} was asked for, but {why}{need}"


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """Photos as the issuer's own perception saw them.

    Attributes:
        models: Role -> hex SHA-256 of the weight file.
    """

    photos: tuple[ShownPhoto, ...]
    models: Mapping[str, str]

    @property
    def captures(self) -> tuple[Capture, ...]:
        """What each makes, in order."""
        return tuple(photo.capture for photo in self.photos)


def observe(photos: Sequence[Path], source: CaptureSource) -> Seen:
    """Look at photos; the extra that brings perception is loaded here and not before.

    Raises:
        InputError: there is none, or a file is no picture.
        EnrolmentRefused: one shows no face.
        Unavailable: perception is not installed, or a check did not run.
    """
    if not photos:
        raise InputError("no photo was named", code="input.enrolment")
    images = [decode(read_file(photo)).image for photo in photos]
    try:
        from consent_edit.perception.process import PerceptionProcess
    except ImportError as error:
        raise Unavailable(
            "enrolment needs the perception extra", remedy="pip install 'consent-edit[perception]'"
        ) from error
    perception = PerceptionProcess()
    try:
        observed = [perception.observe_image(image) for image in images]
    finally:
        perception.close()
    shown = tuple(
        ShownPhoto(image, capture_of(one, image, source=source))
        for image, one in zip(images, observed, strict=True)
    )
    return Seen(photos=shown, models=observed[0].models)


def read_card(path: Path, confirmed: Collection[str] = ()) -> HolderCard:
    """The card of a person or a guardian, as whoever holds its key made it.

    Args:
        confirmed: Thumbprints of cards that their holders gave by another way; a passkey's card needs one.

    Raises:
        InputError: the file is no card, its keys are none, or nothing shows that it is as it was made.
    """
    try:
        card = read_wire(HolderCard, read_file(path, code="input.holder"))
        card = card.verified(thumbprint=card.thumbprint if card.thumbprint in confirmed else "")
    except ConsentInvalid as error:
        raise InputError(
            f"{path.name} is no holder's card, or not as its holder made it: {error.message}",
            code="input.holder",
            remedy="give the file that `consent-edit wallet init` wrote; for a passkey's card, also "
            "--thumbprint, as its holder reads it out",
        ) from error
    return card


def read_cards(paths: Sequence[Path], confirmed: Collection[str]) -> tuple[HolderCard, ...]:
    """Several cards, and every thumbprint that was confirmed is one of them.

    Raises:
        InputError: as :func:`read_card`; or a thumbprint is of no card.
    """
    cards = tuple(read_card(path, confirmed) for path in paths)
    if not {card.thumbprint for card in cards} >= set(confirmed):
        raise InputError(
            "a thumbprint is of none of these cards",
            code="input.holder",
            remedy="have the card brought again: it is not the one its holder read out",
        )
    return cards


def read_guardians(
    cards: Sequence[Path], relations: Sequence[str], proofs: Sequence[str], confirmed: Collection[str] = ()
) -> tuple[Guardian, ...]:
    """Guardians, each by a card, a relation and a reference.

    Raises:
        InputError: one of these lacks, or does not fit.
    """
    if not len(cards) == len(relations) == len(proofs):
        raise InputError("each guardian has a card, a relation and a proof", code="input.guardian")
    found = []
    for path, relation, proof in zip(cards, relations, proofs, strict=True):
        card = read_card(path, confirmed)
        members = {"jwk": card.jwk, "webauthn": card.webauthn, "relation": relation, "proof_ref": proof}
        try:
            found.append(Guardian.model_validate(members))
        except ValidationError as error:
            raise InputError(
                "a guardian is a parent, legal_guardian or court_appointed, with a named proof",
                code="input.guardian",
            ) from error
    return tuple(found)


def packages_free(out: Path, count: int) -> tuple[Path, ...]:
    """Where the packages go, one a card; none of them is there yet.

    Raises:
        InputError: no card was named, or a file is there already: enrolling first would lose the credential.
    """
    if not count:
        raise InputError("no holder's card was named", code="input.holder")
    numbered = (out.with_stem(f"{out.stem}-{number}") for number in range(1, count + 1))
    files = (out,) if count == 1 else tuple(numbered)
    for path in files:
        if path.exists() or not path.parent.is_dir():
            raise InputError(f"cannot write {path.name}, or it is there already", code="input.file")
    return files


def take_home(
    issued: Sequence[Enrolment],
    cards: Sequence[HolderCard],
    files: Sequence[Path],
    as_json: bool,
    hint: str,
    *,
    capped: str = "",
) -> None:
    """Seal each credential to its card's holder, write it, and say so.

    Args:
        capped: Why the level is below the one that was asked for, if it is.

    Raises:
        InputError: a file cannot be written; the person can be enrolled again under the same key.
    """
    for one, card, path in zip(issued, cards, files, strict=True):
        package = CredentialPackage(credential=one.credential, stock=one.stock)
        write_private(path, package.sealed(card.sealing_key()).encode("ascii"), new=True)
    first = issued[0]
    said = {
        "subject": first.subject,
        "entry": first.entry.idx,
        "loa": first.loa.value,
        "credential": str(files[0]),
        "entries": [one.entry.idx for one in issued],
        "credentials": [str(path) for path in files],
        "capped": capped,
    }
    entries = ", ".join(str(one.entry.idx) for one in issued)
    because = f"; {capped}" if capped else ""
    say(
        as_json,
        said,
        f"enrolled {first.subject} at {first.loa.value}, status entry {entries}{hint}{because}",
    )
