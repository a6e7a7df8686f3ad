"""The editor: one edit from request to release, in the order in which data flows. It reads top to bottom."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from consent_edit import assembly
from consent_edit.assembly import Assembled
from consent_edit.consent.verify import ConsentQuery, ConsentResult, verify_presentation
from consent_edit.enrolment import models_of
from consent_edit.errors import ArgumentRejected, ConsentEditError, EditRefused, InputError
from consent_edit.evidence.finish import finish
from consent_edit.gate import Finished, Gate
from consent_edit.intake.canonical import CanonicalImage
from consent_edit.intake.decode import decode, from_pil
from consent_edit.operator import Operator, Snapshot
from consent_edit.perception.observation import ImageObservation, Perception, PromptObservation
from consent_edit.perception.process import PerceptionProcess
from consent_edit.pipelines import runner
from consent_edit.pipelines.families import classify
from consent_edit.pipelines.signature import BoundCall, bind
from consent_edit.policy.decision import Decision
from consent_edit.request import EditRequest, EditResult, Picture
from consent_edit.vocabulary import CheckOutcome, ConsentStatus, Intent, Operation

PIPELINE_DEADLINE_S = 600.0
"""A run is aborted at its next step after this long; a hung pipeline must not hold a clearance for ever."""


@dataclass(frozen=True, slots=True, eq=False)
class _Intake:
    """Steps 1 and 2: the request with its pixels canonical, its call bound, its words and picture read."""

    call: BoundCall
    image: CanonicalImage
    seen: ImageObservation
    prompt: PromptObservation
    operations: frozenset[Operation]


class ConsentEditor:
    """Wraps a diffusers editing pipeline; an edit leaves only with the consent of everyone it shows.

    Args:
        pipeline: A pipeline of a covered family (``consent_edit.pipelines.families``).
        operator: Trust, policy, keys and store it runs under.
        perception: What looks and reads; by default a process of its own, started here.

    Raises:
        ArgumentRejected: the pipeline's class is not covered, or it carries adapters.
    """

    def __init__(self, pipeline: object, operator: Operator, *, perception: Perception | None = None) -> None:
        self.family = classify(pipeline)
        self.pipeline = pipeline
        self.operator = operator
        self.perception: Perception = perception or PerceptionProcess(limits=operator.thresholds)
        self._gate = Gate(operator)

    def assess(self, request: EditRequest) -> Decision:
        """The exact input decision as a value, for the operator; runs no pipeline and releases nothing.

        Raises:
            InputError: the request cannot be used.
        """
        taken = self._take_in(request)
        snapshot = self.operator.snapshot()
        return self._gate.decide(self._judge_input(request, taken, snapshot), snapshot)

    def edit(self, request: EditRequest, *, cancelled: Callable[[], bool] = lambda: False) -> EditResult:
        """Edit one picture.

        Args:
            request: What is asked.
            cancelled: Asked at every denoising step; true aborts the edit.

        Returns:
            The released bytes with their receipt.

        Raises:
            InputError: the request cannot be used (``input.*``).
            EditRefused: the decision was to refuse; it stands in the log.
            Unavailable: a needed part is missing or broke (``check.*``); nothing left.
        """
        taken = self._take_in(request)  # 1 intake, 2 perception
        snapshot = self.operator.snapshot()
        assembled = self._judge_input(request, taken, snapshot)  # 3 consent, 4 policy
        clearance = self._gate.admit(  # 5 gate
            assembled, snapshot, taken.call.digest({self._image_argument: taken.image.digest})
        )
        try:
            pixels = runner.run(  # 6 pipelines
                self.pipeline,
                taken.call,
                {self._image_argument: taken.image},
                clearance,
                deadline_s=PIPELINE_DEADLINE_S,
                cancelled=cancelled,
            )
            candidate = finish(  # 7 finish
                pixels, environment=snapshot.trust.environment, file_format=request.file_format
            )
            seen = self.perception.observe_image(candidate.image)  # 8 perception, of the decoded file
            content = CanonicalImage.of(candidate.image.pixels[: candidate.picture_rows])
            change = self.perception.observe_change(taken.image, content, taken.seen, seen)
            operations = taken.operations | assembly.measured_operations(change, taken.operations)
            current = self.operator.snapshot()
            consents = self._consents(request, taken, operations, snapshot, current)
            finished = Finished(  # 9 policy, status read again
                candidate=candidate,
                observed_digest=seen.digest,
                input_digest=taken.image.digest,
                trust_digest=current.trust.digest,
                assembled=assembly.assemble_output(
                    taken.seen,
                    replace(seen, height=content.height),
                    taken.prompt,
                    change,
                    consents,
                    operations,
                    thresholds=_strictest(snapshot, current),
                    environment=snapshot.trust.environment,
                ),
                purpose=request.purpose,
            )
            return self._gate.release(clearance, finished)  # 10 gate
        except EditRefused:
            raise  # stands in the log already
        except ConsentEditError as error:
            self._gate.note_failure(clearance, error)
            raise

    def close(self) -> None:
        """Stop the perception process."""
        self.perception.close()

    @property
    def _image_argument(self) -> str:
        return self.family.image_arguments[0]

    def _take_in(self, request: EditRequest) -> _Intake:
        image = _canonical(request.image)
        keywords = {self._image_argument: image, **request.settings}
        keywords |= dict(
            zip(self.family.text_arguments, (request.prompt, request.negative_prompt), strict=False)
        )
        if request.negative_prompt and len(self.family.text_arguments) < 2:
            raise ArgumentRejected(f"{self.family.name} takes no negative prompt")
        call = bind(self.pipeline, self.family, (), keywords)
        seen = self.perception.observe_image(image)
        prompt = self.perception.read_prompt([call.prompt], negative=call.negative_texts)
        looked = all(run.outcome is CheckOutcome.RAN for run in seen.checks)  # else: refused for the check
        if looked and len(request.presentations) > len(seen.faces):
            raise InputError(
                "there are more presentations than faces",
                code="input.presentations",
                remedy="present the consent of the people depicted only, once each",
            )
        return _Intake(call, image, seen, prompt, self._operations(request, prompt))

    def _operations(self, request: EditRequest, prompt: PromptObservation) -> frozenset[Operation]:
        """Asked and read. Words that were not understood may ask for anything the pipeline can do."""
        operations = request.operations | prompt.operations
        if prompt.intent is Intent.UNDETERMINED or len(self.family.capabilities) == 1:
            operations |= self.family.capabilities
        if not operations:
            raise InputError(
                "the words do not say which operation this edit is",
                code="input.operation",
                remedy="name it in EditRequest.operations, for example background, hair or tone",
            )
        return operations

    def _judge_input(self, request: EditRequest, taken: _Intake, snapshot: Snapshot) -> Assembled:
        return assembly.assemble_input(
            taken.seen,
            taken.prompt,
            self._consents(request, taken, taken.operations, snapshot),
            taken.operations,
            thresholds=_strictest(snapshot),
            environment=snapshot.trust.environment,
        )

    def _consents(
        self,
        request: EditRequest,
        taken: _Intake,
        operations: frozenset[Operation],
        *snapshots: Snapshot,
    ) -> list[ConsentResult]:
        """Every presentation verified under every snapshot; the first that does not verify speaks for it."""
        query = ConsentQuery(
            audience=self.operator.audience,
            grantee=request.grantee,
            operations=operations,
            purpose=request.purpose,
            photos=frozenset({taken.image.digest}),
            now=self.operator.clock(),
            models=models_of(taken.seen),
        )
        results = []
        for presentation in request.presentations:
            under = [
                verify_presentation(
                    presentation,
                    trust=snapshot.trust,
                    statuses=self.operator.statuses,
                    query=query,
                    uses=self.operator.store.uses,
                )
                for snapshot in snapshots
            ]
            results.append(
                next((each for each in under if each.status is not ConsentStatus.VERIFIED), under[-1])
            )
        return results


def _strictest(*snapshots: Snapshot) -> dict[str, float]:
    """Embedder role -> the highest cosine any of the snapshots asks for."""
    roles = {role for snapshot in snapshots for role in snapshot.thresholds.matching}
    return {
        role: max(snapshot.thresholds.matching.get(role, 1.0) for snapshot in snapshots) for role in roles
    }


def _canonical(picture: Picture) -> CanonicalImage:
    if isinstance(picture, CanonicalImage):
        return CanonicalImage.of(picture.pixels)  # never a digest that somebody else computed
    return decode(picture).image if isinstance(picture, bytes) else from_pil(picture)
