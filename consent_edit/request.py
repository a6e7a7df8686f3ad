"""What is asked of the editor, and what leaves it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, cast

from PIL import Image

from consent_edit.consent.presentation import Presentation
from consent_edit.encoding import JsonValue, canonical_json
from consent_edit.errors import ArgumentRejected, InputError
from consent_edit.evidence.finish import OUTPUT_LIMITS
from consent_edit.intake.canonical import CanonicalImage
from consent_edit.intake.decode import decode, from_pil
from consent_edit.intake.digests import byte_digest
from consent_edit.remedies.kinds import BYSTANDERS, Whom
from consent_edit.vocabulary import Operation, Purpose

MAX_PRESENTATIONS: Final = 64
"""More than anybody consents to one picture with; each costs work before faces are counted."""

MAX_PICTURES: Final = 8
"""Further pictures of one edit. Each is looked at as long as the picture edited."""

Picture = bytes | Image.Image | CanonicalImage
"""A picture as it may be handed in: the bytes of a JPEG, PNG or WebP file, or decoded pixels."""

FileFormat = Literal["png", "jpeg", "webp"]

_REMEDIES: Final = ("anonymise", "crop", "preserve")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EditRequest:
    """One edit of one picture.

    Attributes:
        image: The picture to edit.
        prompt: What to do to it, in words.
        grantee: Who edits: the client id that grants name. The host authenticates it.
        presentations: Consent of the people depicted, sealed to this service or not; at most one a face.
        operations: What the edit does, where the words do not say it plainly; joined with what they say.
        purpose: Why it is done; a grant is for one purpose.
        negative_prompt: What to steer away from.
        mask: For pipelines that repaint under a mask: white where they may, of the picture's size. What it
            reaches of a person counts as asked for.
        pictures: Further pictures that the pipeline draws from, by its own argument: what steers it, as
            ``{"control_image": picture}``, and references. Where ``image`` takes a list, its first is the
            picture edited, and ``{"image": (one, two)}`` are those that follow it. Each is judged as the
            picture edited is: who is shown in it must consent, by a grant for *that* photo.
        settings: Further arguments of the pipeline, from its family's allow-list.
        file_format: Format of the file that leaves.
        anonymise: ``"bystanders"`` makes the faces of everybody without consent unrecognisable before the
            edit; nothing brings them back. Their bodies stay, and stay under ``floor.hands-off``.
        crop: ``"bystanders"`` edits the largest part of the picture with the consenting people whole and
            nobody else in it.
        preserve: ``"bystanders"`` puts bodies, and people too small to recognise, back after the edit as they
            were before it; an edit of the whole picture's tone alone is done to them as to everybody.
        jurisdictions: Codes of the law the edit falls under, such as ``eu``. Beside the operator's own they
            can only narrow what its policy allows, so no proof needs to sign them: whoever adds or drops one
            gets no more than the operator's own ones allow anybody.
        proof: Where grants name a key as grantee: that key's signature over this request
            (:meth:`digest`, ``consent.proof.sign_proof``).
    """

    image: Picture = field(repr=False)
    prompt: str = field(repr=False)
    grantee: str = ""
    presentations: tuple[Presentation | str, ...] = ()
    operations: frozenset[Operation] = frozenset()
    purpose: Purpose = Purpose.PERSONAL
    negative_prompt: str = field(default="", repr=False)
    mask: Picture | None = field(default=None, repr=False)
    pictures: Mapping[str, Picture | tuple[Picture, ...]] = field(default_factory=dict, repr=False)
    settings: Mapping[str, object] = field(default_factory=dict, repr=False)
    file_format: FileFormat = "png"
    anonymise: Whom = ""
    crop: Whom = ""
    preserve: Whom = ""
    jurisdictions: tuple[str, ...] = ()
    proof: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        """INVARIANT: values of plain types and of its own: none can answer two checks differently.

        Raises:
            InputError: ``input.request``: a field is not of its type, or outside the vocabulary;
                ``input.presentations`` or ``input.pictures``: more than one edit can have;
                ``input.remedies``: remedies that do not go together, or with further pictures.
        """
        try:
            texts = ("prompt", "grantee", "negative_prompt", "proof")
            held = {name: plain_text(getattr(self, name)) for name in texts}
            if len(self.presentations) > MAX_PRESENTATIONS:
                raise InputError(
                    f"a request holds {MAX_PRESENTATIONS} presentations at most",
                    code="input.presentations",
                    remedy="present the consent of the people depicted only, once each",
                )
            own: dict[str, object] = {
                **held,
                "presentations": tuple(map(_own_presentation, self.presentations)),
                "operations": frozenset(Operation(one) for one in self.operations),
                "purpose": Purpose(self.purpose),
                "pictures": _own_pictures(self.pictures),
                "settings": dict(self.settings),
                "jurisdictions": tuple(map(plain_text, self.jurisdictions)),
                **{name: _whom(getattr(self, name)) for name in _REMEDIES},
            }
        except (TypeError, ValueError, AttributeError) as error:
            raise InputError("a field of the request is not of its type", code="input.request") from error
        for name, value in own.items():
            object.__setattr__(self, name, value)
        if (self.anonymise and self.crop) or ((self.anonymise or self.crop) and self.pictures):
            raise InputError(
                "anonymise and crop change the picture edited, and go neither together nor with pictures",
                code="input.remedies",
                remedy="ask for one of them, and give no further pictures",
            )

    @property
    def further(self) -> Mapping[str, tuple[Picture, ...]]:
        """Argument -> its further pictures, one or several; what :attr:`pictures` came to."""
        return cast("Mapping[str, tuple[Picture, ...]]", self.pictures)

    def digest(self, photo: str = "") -> str:
        """``sha256:<hex>`` over what is asked, for a proof to be signed over.

        Args:
            photo: The picture's canonical digest where it is known; else the picture is decoded for it.

        Raises:
            InputError: a picture cannot be read, or a text or setting of the request has no JSON form.
        """
        given = photo or canonical(self.image).digest
        try:
            asked: dict[str, JsonValue] = {
                "photo": given,
                "prompt": self.prompt,
                "negative_prompt": self.negative_prompt,
                "operations": sorted(self.operations),
                "purpose": self.purpose.value,
                "presentations": [byte_digest(_as_text(one).encode("utf-8")) for one in self.presentations],
                "settings": cast(JsonValue, dict(self.settings)),
            }
            if self.mask is not None:
                asked["mask"] = canonical(self.mask).digest
            if self.pictures:
                asked["pictures"] = {
                    name: [canonical(one).digest for one in several] for name, several in self.further.items()
                }
            asked |= {name: value for name in _REMEDIES if (value := getattr(self, name))}
            return byte_digest(canonical_json(asked))
        except (TypeError, ValueError):
            raise InputError("the request cannot be named in a proof", code="input.proof") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class EditResult:
    """What was released: these bytes, and nothing that was not checked.

    Attributes:
        released: The file, the very bytes that the checks decoded.
        receipt: The signed receipt (JSON) that ``consent-edit verify`` checks against the file.
        decision_id: Name of the decision record in the operator's log.
    """

    released: bytes = field(repr=False)
    receipt: str = field(repr=False)
    decision_id: str

    @property
    def images(self) -> list[Image.Image]:
        """The released file decoded; one picture."""
        return [Image.fromarray(decode(self.released, limits=OUTPUT_LIMITS).image.pixels)]


def canonical(picture: Picture) -> CanonicalImage:
    """The canonical pixels of a picture; never a digest that somebody else computed, nor past the limits.

    Raises:
        InputError: it is no picture, or outside the limits.
    """
    if isinstance(picture, CanonicalImage):
        return from_pil(Image.fromarray(CanonicalImage.of(picture.pixels).pixels))
    return decode(picture).image if isinstance(picture, bytes) else from_pil(picture)


def to_be_looked_at(name: str, value: object) -> Picture:
    """A value that a picture can be read from; a tensor may be latents.

    Raises:
        ArgumentRejected: ``input.type``: it is none.
    """
    if not isinstance(value, bytes | Image.Image | CanonicalImage):
        raise ArgumentRejected(
            f"{name} is a {type(value).__name__}, which nobody can look at as a picture",
            code="input.type",
            remedy="hand in a Pillow picture, or the bytes of a file",
        )
    return value


def _own_presentation(given: Presentation | str) -> Presentation | str:
    """Of plain texts, so that none can answer two checks differently."""
    if isinstance(given, str):
        return plain_text(given).strip()
    cosigned = tuple(map(plain_text, given.cosigned))
    return Presentation(plain_text(given.credential), plain_text(given.grant), cosigned)


def _own_pictures(given: Mapping[str, object]) -> Mapping[str, tuple[Picture, ...]]:
    """Argument -> its pictures, every container read once; an argument left empty is left out."""
    held = {plain_text(name): _one_or_several(value) for name, value in dict(given).items()}
    if sum(map(len, held.values())) > MAX_PICTURES:
        raise InputError(
            f"an edit takes {MAX_PICTURES} further pictures at most",
            code="input.pictures",
            remedy="leave out what the edit can do without",
        )
    return {name: several for name, several in held.items() if several}


def _one_or_several(value: object) -> tuple[Picture, ...]:
    several = tuple(value) if isinstance(value, list | tuple) else (value,)
    return tuple(to_be_looked_at("a further picture", one) for one in several)


def _whom(value: object) -> Whom:
    """On whom a remedy is asked for.

    Raises:
        ValueError: on somebody there is no word for.
    """
    text = plain_text(value)
    if text == BYSTANDERS:
        return BYSTANDERS
    if text:
        raise ValueError("a remedy is carried out on bystanders, or not at all")
    return ""


def _as_text(presentation: Presentation | str) -> str:
    return presentation if isinstance(presentation, str) else presentation.to_json()


def plain_text(value: object) -> str:
    """The characters of a text as a plain ``str``: a subclass could show every reader another text.

    Raises:
        TypeError: it is no text.
    """
    if not isinstance(value, str):
        raise TypeError("not a text")
    return str.__str__(value)
