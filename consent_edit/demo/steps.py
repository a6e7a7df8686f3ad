"""The demo's steps, in any order: each makes its own grant, asks for one edit, reports the exact codes."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from consent_edit.consent.presentation import Presentation
from consent_edit.demo.photos import side_by_side
from consent_edit.demo.world import GRANTEE, OTHER_AUDIENCE, STRANGER, DemoWorld
from consent_edit.editor import ConsentEditor
from consent_edit.errors import ConsentEditError, EditRefused
from consent_edit.intake.canonical import CanonicalImage
from consent_edit.perception.models.store import ModelStore
from consent_edit.perception.process import PerceptionProcess
from consent_edit.pipelines.grading import GradingPipeline
from consent_edit.policy.decision import Decision
from consent_edit.request import EditRequest
from consent_edit.vocabulary import Operation, Stage

TONE_PROMPT: Final = "make the picture warmer"
UNDRESS_PROMPT: Final = "mets-la en bikini"


@dataclass(frozen=True, slots=True)
class StepResult:
    """What became of one step.

    Attributes:
        outcome: ``released`` or ``refused``.
        codes: Exact codes, since the demo is its own operator.
        boxes: Boxes whose consent is needed, as the requester is told.
        shown: The input picture of a refusal, the released picture of a release.
        output: The released file; empty for a refusal.
        receipt: Its receipt; empty for a refusal.
        checks: What the decision says ran.
        boxes_in_input: Whether the boxes point into ``shown``; those of an output refusal point into what
            never left.
    """

    name: str
    outcome: str
    codes: tuple[str, ...]
    boxes: tuple[tuple[int, int, int, int], ...]
    shown: CanonicalImage
    output: str = ""
    receipt: str = ""
    checks: tuple[Mapping[str, object], ...] = ()
    boxes_in_input: bool = True


Step = Callable[[DemoWorld], StepResult]


def _attempt(
    world: DemoWorld,
    name: str,
    *,
    consent: tuple[Presentation, ...] = (),
    photo: CanonicalImage | None = None,
    prompt: str = TONE_PROMPT,
    grantee: str = GRANTEE,
    operations: frozenset[Operation] = frozenset(),
    editor: ConsentEditor | None = None,
) -> StepResult:
    """Ask for one edit; a release is written to the demo's folder, a refusal told with its exact codes."""
    photo = photo or world.photo
    editor = editor or ConsentEditor(GradingPipeline.shipped(), world.operator, perception=world.perception)
    request = EditRequest(
        image=photo, prompt=prompt, grantee=grantee, presentations=consent, operations=operations
    )
    try:
        result = editor.edit(request)
    except EditRefused as refusal:
        decision = world.operator.decision(refusal.decision_id)
        return StepResult(
            name,
            "refused",
            decision.codes,
            refusal.boxes,
            photo,
            checks=_plain(decision),
            boxes_in_input=decision.stage is Stage.INPUT,
        )
    except ConsentEditError as error:
        return StepResult(name, "refused", (error.code,), (), photo)
    output, receipt = world.out / f"{name}.png", world.out / f"{name}.png.receipt.json"
    output.write_bytes(result.released)
    receipt.write_text(result.receipt)
    decision = world.operator.decision(result.decision_id)
    shown = CanonicalImage.of(np.asarray(result.images[0], dtype=np.uint8))
    return StepResult(name, "released", (), (), shown, str(output), str(receipt), _plain(decision))


def _plain(decision: Decision) -> tuple[Mapping[str, object], ...]:
    """The checks of a decision as plain JSON objects."""
    checks = decision.to_record()["effective_checks"]
    return tuple(check for check in checks if isinstance(check, Mapping)) if isinstance(checks, list) else ()


def no_consent(world: DemoWorld) -> StepResult:
    """A stranger's photo and nothing else."""
    return _attempt(world, "no-consent")


def consented(world: DemoWorld) -> StepResult:
    """The person depicted granted this app a tone edit of this photo."""
    return _attempt(world, "consented", consent=world.consent())


def wrong_operation(world: DemoWorld) -> StepResult:
    """She granted another background; the edit changes the tone."""
    return _attempt(world, "wrong-operation", consent=world.consent(operations=(Operation.BACKGROUND,)))


def other_grantee(world: DemoWorld) -> StepResult:
    """A stolen grant in a stranger's hands."""
    return _attempt(world, "other-grantee", consent=world.consent(), grantee=STRANGER)


def other_audience(world: DemoWorld) -> StepResult:
    """A grant for another service."""
    return _attempt(world, "other-audience", consent=world.consent(audience=OTHER_AUDIENCE))


def tampered_grant(world: DemoWorld) -> StepResult:
    """A grant whose text was changed after she signed it."""
    (genuine,) = world.consent()
    header, payload, signature = genuine.grant.split(".")
    middle = len(payload) // 2
    other = "A" if payload[middle] != "A" else "B"
    forged = f"{header}.{payload[:middle]}{other}{payload[middle + 1 :]}.{signature}"
    return _attempt(
        world, "tampered-grant", consent=(Presentation(credential=genuine.credential, grant=forged),)
    )


def undress(world: DemoWorld) -> StepResult:
    """She consented, other clothes and swimwear included; somebody asks to undress her."""
    widest = (Operation.TONE, Operation.CLOTHING, Operation.SWIMWEAR, Operation.BODY)
    return _attempt(world, "undress", consent=world.consent(operations=widest), prompt=UNDRESS_PROMPT)


def second_face(world: DemoWorld) -> StepResult:
    """A second person stands beside her and gave no consent."""
    both = side_by_side(world.photo, world.stranger)
    return _attempt(world, "second-face", consent=world.consent(photo=both), photo=both)


def foreign_output(world: DemoWorld) -> StepResult:
    """A hostile pipeline returns somebody else's face."""
    size = (world.photo.width, world.photo.height)
    foreign = np.asarray(Image.fromarray(world.stranger.pixels).resize(size), dtype=np.uint8)

    def render(pipeline: object, pixels: NDArray[np.uint8], table: object) -> NDArray[np.uint8]:
        return foreign

    editor = ConsentEditor(GradingPipeline.shipped(), world.operator, perception=world.perception)
    with patch.object(GradingPipeline, "_render", render):  # on the instance the wrapper would see it
        return _attempt(world, "foreign-output", consent=world.consent(), editor=editor)


def missing_check(world: DemoWorld) -> StepResult:
    """The exposure model's weights are gone."""
    with (
        tempfile.TemporaryDirectory() as folder,
        PerceptionProcess(_store_without("exposure", Path(folder))) as blind,
    ):
        editor = ConsentEditor(GradingPipeline.shipped(), world.operator, perception=blind)
        return _attempt(world, "missing-check", consent=world.consent(), editor=editor)


def _store_without(role: str, folder: Path) -> ModelStore:
    """A folder with every pulled weight file but one."""
    whole = ModelStore()
    for entry in whole.lock.model:
        if entry.role != role and entry.carrier.kind == "wheel":
            (folder / entry.file).symlink_to(whole.find(entry.role).resolve())
    return ModelStore([folder])


def withdrawn(world: DemoWorld) -> StepResult:
    """She withdrew."""
    grant = world.grant()
    world.withdraw(grant)
    return _attempt(world, "withdrawn", consent=(grant.presentation(),))


STEPS: Final[Mapping[str, Step]] = {
    "no-consent": no_consent,
    "consented": consented,
    "wrong-operation": wrong_operation,
    "other-grantee": other_grantee,
    "other-audience": other_audience,
    "tampered-grant": tampered_grant,
    "undress": undress,
    "second-face": second_face,
    "foreign-output": foreign_output,
    "missing-check": missing_check,
    "withdrawn": withdrawn,
}
"""Every step by its name, in the order of the story; the order does not matter to them."""

REFUSING_STEPS: Final = tuple(name for name in STEPS if name != "consented")
"""What ``--photo`` runs on a picture of one's own: only what ends in refusal."""
