"""Scripted perception, and a whole operator around it, for tests that attack the editor without any model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from consent_world import AUDIENCE, GRANTEE, MODELS, ConsentWorld, Person, face, views
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from PIL import Image

from consent_edit.consent.holder.wallet import HeldGrant
from consent_edit.consent.jose import unverified
from consent_edit.consent.query import use_id
from consent_edit.editor import ConsentEditor
from consent_edit.intake.canonical import CanonicalImage
from consent_edit.operator import Operator
from consent_edit.perception.observation import (
    BodyObservation,
    Box,
    ChangeObservation,
    CheckRun,
    ExposureReading,
    FaceObservation,
    ImageObservation,
    ModelUse,
    Origin,
    PictureExposure,
    PromptObservation,
)
from consent_edit.policy.bundle import PolicyBundle
from consent_edit.request import EditRequest
from consent_edit.store.store import Store
from consent_edit.vocabulary import (
    IMAGE_CHECKS,
    CheckName,
    CheckOutcome,
    Exposure,
    ExposureChange,
    Intent,
    Operation,
    PersonKind,
    Recognisable,
    Region,
)

LEFT, RIGHT, FAR = Box(4, 4, 20, 20), Box(40, 4, 20, 20), Box(4, 40, 20, 20)
NOBODY: frozenset[Region] = frozenset()


def picture(seed: int = 0, width: int = 64, height: int = 64) -> CanonicalImage:
    """Noise; other seeds are other pictures."""
    rng = np.random.default_rng(seed)
    return CanonicalImage.of(rng.integers(0, 255, (height, width, 3), dtype=np.uint8))


def seen_face(
    who: int = 1,
    box: Box = LEFT,
    *,
    kind: PersonKind = PersonKind.FACE,
    recognisable: Recognisable = Recognisable.YES,
) -> FaceObservation:
    """Person ``who`` at a place; embedded, as perception does, only when a supported face of some size."""
    told = kind is PersonKind.FACE and recognisable is Recognisable.YES
    rows = {role: views(vector) for role, vector in face(who).items()} if told else {}
    return FaceObservation(box, kind, recognisable, 0.9, ("160",), np.zeros((5, 2), np.float32), rows)


def ran(*names: CheckName) -> tuple[CheckRun, ...]:
    """Checks that answered, on models that passed their self-test."""
    return tuple(
        CheckRun(
            name,
            CheckOutcome.RAN,
            (ModelUse(name.value, MODELS.get(name.value, "c" * 64), 0.5, self_test=True),),
        )
        for name in names
    )


@dataclass
class ScriptedPerception:
    """Says of each picture what it was told to say; of every other, that nobody is there.

    Attributes:
        faces: Pixel digest -> faces.
        bodies: Pixel digest -> people without a face.
        touched: Per person of the input, what ``observe_change`` says; nothing where the list is short.
        unseen: What it says changed on nobody.
        reads: Prompt -> what is read in it; by default ordinary, and a tone edit.
        before_change: Called at the start of every comparison: the world moves while an edit runs.
        saw: Every text that was read.
        origins: The first picture of the chain, as every comparison was told it.
    """

    faces: dict[str, tuple[FaceObservation, ...]] = field(default_factory=dict)
    bodies: dict[str, tuple[BodyObservation, ...]] = field(default_factory=dict)
    touched: tuple[frozenset[Region], ...] = ()
    unseen: frozenset[Region] = NOBODY
    tone: bool = True
    exposure: Exposure = Exposure.NONE
    reads: dict[str, tuple[Intent, frozenset[Operation]]] = field(default_factory=dict)
    before_change: Callable[[], object] = lambda: None
    saw: list[str] = field(default_factory=list)
    origins: list[Origin] = field(default_factory=list)

    def observe_image(self, image: CanonicalImage) -> ImageObservation:
        """What the script says of the picture."""
        found = self.faces.get(image.digest, ())
        bodies = self.bodies.get(image.digest, ())
        reading = ExposureReading(self.exposure, {"whole": 0.0})
        persons = (reading,) * (len(found) + len(bodies))
        exposure = PictureExposure(reading, persons, ExposureReading(Exposure.NONE))
        checks = ran(*sorted(IMAGE_CHECKS))
        return ImageObservation(image.digest, image.width, image.height, found, bodies, exposure, checks)

    def read_prompt(self, texts: Sequence[str], *, negative: Sequence[str] = ()) -> PromptObservation:
        """What the script says of the words; the worst of them counts."""
        self.saw += [*texts, *negative]
        found = [
            self.reads.get(str(text), (Intent.ORDINARY, frozenset({Operation.TONE})))
            for text in (*texts, *negative)
        ]
        worst = max((intent for intent, _ in found), key=list(Intent).index)
        asked = frozenset[Operation]().union(*(operations for _, operations in found))
        return PromptObservation(worst, asked, "en", False, ran(CheckName.PROMPT_INTENT))

    def observe_change(
        self,
        before: CanonicalImage,
        after: CanonicalImage,
        seen_before: ImageObservation,
        seen_after: ImageObservation,
        origin: Origin,
    ) -> ChangeObservation:
        """What the script says changed."""
        self.before_change()
        self.origins.append(origin)
        people = len(seen_before.people)
        touched = tuple(self.touched[i] if i < len(self.touched) else NOBODY for i in range(people))
        old = [person.box for person in seen_before.faces]
        faces = tuple(
            NOBODY if any(face.box.overlap(box) > 0.3 for box in old) else frozenset({Region.FACE})
            for face in seen_after.faces
        )
        painted = (*faces, *(NOBODY for _ in seen_after.bodies))
        moved = (ExposureChange.NONE,) * len(seen_after.people)
        return ChangeObservation(
            touched,
            painted,
            self.unseen,
            self.tone,
            False,
            moved,
            ExposureChange.NONE,
            ran(CheckName.CHANGE),
        )

    def close(self) -> None:
        """Nothing to close."""


class Returning:
    """Put in place of a pipeline's image processor: whatever was denoised, this picture comes out."""

    def __init__(self, genuine: object, shown: Callable[[], object]) -> None:
        self._genuine, self._shown = genuine, shown

    def __getattr__(self, name: str) -> object:
        return getattr(self._genuine, name)

    def postprocess(self, *arguments: object, **keywords: object) -> list[object]:
        """The hostile picture."""
        return [self._shown()]


@dataclass
class Scene:
    """An operator, its editor, the people who may consent, and a pipeline that returns what it is told.

    Attributes:
        before: The picture that is edited.
        after: The picture that the pipeline returns.
    """

    world: ConsentWorld
    operator: Operator
    perception: ScriptedPerception
    editor: ConsentEditor
    before: CanonicalImage
    after: CanonicalImage
    returned: list[object]

    @classmethod
    def make(cls, pipeline: object, genuine: object, perception: ScriptedPerception | None = None) -> Scene:
        """A fresh scene around a (shared, tiny) pipeline."""
        world = ConsentWorld.make()
        operator = Operator(
            audience=AUDIENCE,
            trust=world.trust,
            policy=PolicyBundle.shipped("default"),
            statuses=world.statuses,
            store=Store.open(":memory:"),
            receipt_key=Ed25519PrivateKey.generate(),
            clock=world.clock,
        )
        perception = ScriptedPerception() if perception is None else perception
        before, after = picture(1), picture(2)
        returned: list[object] = [Image.fromarray(after.pixels)]
        pipeline.image_processor = Returning(genuine, lambda: returned[0])  # type: ignore[attr-defined]
        editor = ConsentEditor(pipeline, operator, perception=perception)
        return cls(world, operator, perception, editor, before, after, returned)

    def shows(self, before: Sequence[FaceObservation], after: Sequence[FaceObservation]) -> None:
        """Who is in the picture, and who is in what the pipeline makes of it."""
        self.perception.faces[self.before.digest] = tuple(before)
        self.perception.faces[self.after.digest] = tuple(after)

    def person(self, who: int) -> Person:
        """Somebody enrolled."""
        return self.world.person(face(who))

    def request(self, **changes: object) -> EditRequest:
        """A tone edit of the picture."""
        asked: dict[str, object] = {
            "image": self.before,
            "prompt": "make it warmer",
            "grantee": GRANTEE,
            "settings": {"num_inference_steps": 1},
            **changes,
        }
        return EditRequest(**asked)  # type: ignore[arg-type]

    def edit(self, **changes: object):
        """Ask for it."""
        return self.editor.edit(self.request(**changes))

    def record(self, refusal: object) -> dict[str, object]:
        """The decision record that a refusal names."""
        return dict(self.operator.store.decision(refusal.decision_id))  # type: ignore[attr-defined]

    def exact(self, refusal: object) -> set[str]:
        """The exact codes of a refusal."""
        return set(self.operator.decision(refusal.decision_id).codes)  # type: ignore[attr-defined]

    def uses(self, grant: HeldGrant) -> int:
        """Releases counted under a grant."""
        subject = unverified(grant.presentation().grant)[1]["cnf"]["jkt"]  # type: ignore[index,call-overload]
        return self.operator.store.uses(use_id(str(subject), grant.jti))

    @property
    def entries(self) -> int:
        """Leaves in the log."""
        return self.operator.store.log_state().size

    def newest(self) -> str:
        """The newest leaf."""
        return self.operator.store.leaf(self.entries - 1).decode()
