"""Judgement, steps 3 and 4 before a pipeline runs and 8 and 9 after: what is seen, beside who consented."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce

from consent_edit.ancestry import likenesses
from consent_edit.assembly import (
    Assembled,
    Beside,
    Objects,
    assemble_input,
    assemble_output,
    consenting_faces,
    measured_operations,
)
from consent_edit.consent.query import ConsentResult
from consent_edit.consultation import first_refusal, read_consents, strictest, strictest_keeping
from consent_edit.evidence.finish import Candidate
from consent_edit.gate import Finished
from consent_edit.intake.canonical import CanonicalImage
from consent_edit.objections import Objections
from consent_edit.operator import Operator, Snapshot
from consent_edit.perception.observation import ImageObservation, Perception, Sketch
from consent_edit.reception import FurtherPicture, Received
from consent_edit.remedies.kinds import Remedy
from consent_edit.request import EditRequest
from consent_edit.treatment import carried_out, lineage, shown_boxes, treated
from consent_edit.vocabulary import Operation


class Judge:
    """Turns a request, and later the finished file, into facts for the gate to decide on.

    Args:
        operator: Trust, policy, keys and store.
        perception: What looks and reads.
    """

    def __init__(self, operator: Operator, perception: Perception) -> None:
        self._operator = operator
        self._perception = perception
        self._objections = Objections(operator.store, operator.thresholds)

    def treated(self, request: EditRequest, received: Received, snapshot: Snapshot) -> Received:
        """The request over what the remedies asked for make of its picture; as it came where none was.

        Raises:
            InputError: ``input.anonymise`` or ``input.crop``: it cannot be carried out on this picture.
            CheckFailed: as :meth:`before`.
            StoreUnavailable: as :meth:`before`.
        """
        if not (request.anonymise or request.crop):
            return received
        consenting = consenting_faces(
            received.seen,
            read_consents(self._operator, request, received, received.operations, snapshot),
            thresholds=strictest(snapshot),
            environment=snapshot.trust.environment,
            objects=self._objects(received.seen),
        )
        return treated(request, received, consenting, self._perception)

    def before(self, request: EditRequest, received: Received, snapshot: Snapshot) -> Assembled:
        """Facts of the input stage, consents read now.

        Raises:
            CheckFailed: the clock went backwards, or an objection cannot be read.
            StoreUnavailable: use counts or objections cannot be read.
        """
        found = assemble_input(
            received.seen,
            received.prompt,
            read_consents(self._operator, request, received, received.operations, snapshot),
            received.operations,
            thresholds=strictest(snapshot),
            environment=snapshot.trust.environment,
            objects=self._objects(received.seen),
            pictures=self._beside(request, received, [received.operations], snapshot),
        )
        treatment = received.treatment
        done: tuple[Remedy, ...] = () if treatment is None else (treatment.remedy,)
        return replace(found, boxes=shown_boxes(received, found.boxes), remedies=done)

    def after(
        self, request: EditRequest, received: Received, candidate: Candidate, snapshot: Snapshot
    ) -> Finished:
        """What the decoded file shows, against the input picture, and consent as it stands now.

        Raises:
            CheckFailed: as :meth:`before`.
            StoreUnavailable: as :meth:`before`.
        """
        seen = self._perception.observe_image(candidate.image)
        content = CanonicalImage.of(candidate.image.pixels[: candidate.picture_rows])
        shown = replace(seen, height=content.height)  # without the band below
        origin = lineage(self._operator.store, received, self._perception, snapshot.thresholds)
        change = self._perception.observe_change(received.image, content, received.seen, shown, origin)
        rows = origin.sketch.rows * content.height / candidate.image.height
        current = self._operator.snapshot()
        thresholds = strictest(snapshot, current)
        asked, in_force = received.operations, (snapshot, current)
        consents = read_consents(self._operator, request, received, asked, *in_force)
        objects = self._objects(shown)
        measured = measured_operations(
            received.seen, shown, change, consents, asked, thresholds=thresholds, objects=objects
        )
        wider = read_consents(self._operator, request, received, asked | measured, *in_force)
        assembled = assemble_output(
            received.seen,
            shown,
            received.prompt,
            change,
            first_refusal(consents, wider),
            asked | measured,
            thresholds=thresholds,
            keeping=strictest_keeping(snapshot, current),
            environment=snapshot.trust.environment,
            objects=objects,
            pictures=self._beside(request, received, [asked, asked | measured], *in_force),
        )
        return Finished(
            candidate=candidate,
            observed_digest=seen.digest,
            input_digest=received.photo,
            edited_digest=received.image.digest,
            picture_digests=tuple(one.image.digest for one in received.pictures),
            trust_digest=current.trust.digest,
            thresholds_digest=current.thresholds.digest,
            assembled=replace(
                assembled,
                boxes=shown_boxes(received, assembled.boxes),
                remedies=carried_out(request, received),
            ),
            purpose=request.purpose,
            proof=received.proof,
            origin=replace(origin, sketch=Sketch(change.sketch, rows)),
            likenesses=likenesses(candidate, snapshot.thresholds),
        )

    def _beside(
        self,
        request: EditRequest,
        received: Received,
        wanted: Sequence[frozenset[Operation]],
        *snapshots: Snapshot,
    ) -> list[Beside]:
        """The further pictures, with consent for each read now; it must hold for all that is wanted."""

        def consents(of: FurtherPicture) -> list[ConsentResult]:
            readings = [
                read_consents(self._operator, request, received, operations, *snapshots, of=of)
                for operations in wanted
            ]
            return reduce(first_refusal, readings)

        return [
            Beside(one.place, one.seen, consents(one), self._objects(one.seen)) for one in received.pictures
        ]

    def _objects(self, seen: ImageObservation) -> Objects:
        return lambda probe: self._objections.listed(probe, seen.models)
