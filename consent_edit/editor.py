"""The editor: one edit from request to release, in the order in which data flows. It reads top to bottom."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from PIL import Image

from consent_edit import assembly
from consent_edit.assembly import Assembled
from consent_edit.consent.verify import ConsentQuery, ConsentResult, verify_presentation
from consent_edit.enrolment import models_of
from consent_edit.errors import ArgumentRejected, CheckFailed, ConsentEditError, InputError
from consent_edit.evidence.finish import Candidate, finish
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


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class _Intake:
    """Steps 1 and 2: the request with its pixels canonical, its call bound, its words and picture read.

    Attributes:
        at: When, unix seconds; no later reading of the clock may come before it.
    """

    at: int
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
        own = PerceptionProcess(limits=operator.thresholds) if perception is None else perception
        self.perception: Perception = own
        self._gate = Gate(operator)

    def assess(self, request: EditRequest) -> Decision:
        """The exact input decision as a value, for the operator; runs no pipeline and releases nothing.

        Raises:
            InputError: the request cannot be used.
        """
        with _ours():
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
        with _ours():
            taken = self._take_in(request)  # 1 intake, 2 perception
            snapshot = self.operator.snapshot()
            assembled = self._judge_input(request, taken, snapshot)  # 3 consent, 4 policy
            call_digest = taken.call.digest({self._image_argument: taken.image.digest})
            clearance = self._gate.admit(assembled, snapshot, call_digest)  # 5 gate
        with self._gate.noting(clearance):
            pixels = runner.run(  # 6 pipelines
                self.pipeline,
                taken.call,
                {self._image_argument: taken.image},
                clearance,
                deadline_s=PIPELINE_DEADLINE_S,
                cancelled=cancelled,
            )
            environment = snapshot.trust.environment
            candidate = finish(pixels, environment=environment, file_format=request.file_format)  # 7 finish
            finished = self._judge_output(request, taken, candidate, snapshot)  # 8 perception, 9 policy
        return self._gate.release(clearance, finished)  # 10 gate

    def _judge_output(
        self, request: EditRequest, taken: _Intake, candidate: Candidate, snapshot: Snapshot
    ) -> Finished:
        """What the decoded file shows, against the input picture, and consent as it stands now."""
        seen = self.perception.observe_image(candidate.image)
        content = CanonicalImage.of(candidate.image.pixels[: candidate.picture_rows])
        shown = replace(seen, height=content.height)
        change = self.perception.observe_change(taken.image, content, taken.seen, shown)
        current = self.operator.snapshot()
        thresholds = _strictest(snapshot, current)
        asked = self._consents(request, taken, taken.operations, snapshot, current)
        operations = taken.operations | assembly.measured_operations(
            taken.seen, shown, change, asked, taken.operations, thresholds
        )
        return Finished(
            candidate=candidate,
            observed_digest=seen.digest,
            input_digest=taken.image.digest,
            trust_digest=current.trust.digest,
            assembled=assembly.assemble_output(
                taken.seen,
                shown,
                taken.prompt,
                change,
                _first_refusal(asked, self._consents(request, taken, operations, snapshot, current)),
                operations,
                thresholds=thresholds,
                environment=snapshot.trust.environment,
            ),
            purpose=request.purpose,
        )

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
        at = self.operator.clock()
        self.operator.store.check_clock(at)  # what could not be logged is not begun
        seen = self.perception.observe_image(image)
        if seen.digest != image.digest:
            raise CheckFailed("another picture was looked at", code="check.observation")
        prompt = self.perception.read_prompt([call.prompt], negative=call.negative_texts)
        looked = all(run.outcome is CheckOutcome.RAN for run in seen.checks)  # else: refused for the check
        if looked and len(request.presentations) > len(seen.faces):
            raise InputError(
                "there are more presentations than faces",
                code="input.presentations",
                remedy="present the consent of the people depicted only, once each",
            )
        return _Intake(at, call, image, seen, prompt, self._operations(request, prompt))

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
        now = self.operator.clock()
        if now < taken.at:  # an older time would hide a withdrawal since
            raise CheckFailed("the clock went backwards during the edit", code="check.clock-behind")
        query = ConsentQuery(
            audience=self.operator.audience,
            grantee=request.grantee,
            operations=operations,
            purpose=request.purpose,
            photos=frozenset({taken.image.digest}),
            now=now,
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
            first, *others = under
            for other in others:
                (first,) = _first_refusal([first], [other])
            results.append(first)
        return results


def _first_refusal(one: Sequence[ConsentResult], other: Sequence[ConsentResult]) -> list[ConsentResult]:
    """Two readings of the same presentations: the first that refuses speaks, and consent needs both."""
    return [
        first if first.status is not ConsentStatus.VERIFIED else second
        for first, second in zip(one, other, strict=True)
    ]


def _strictest(*snapshots: Snapshot) -> dict[str, float]:
    """Embedder role -> the highest cosine any of the snapshots asks for."""
    roles = {role for snapshot in snapshots for role in snapshot.thresholds.matching}
    return {
        role: max(snapshot.thresholds.matching.get(role, 1.0) for snapshot in snapshots) for role in roles
    }


def _canonical(picture: Picture) -> CanonicalImage:
    if isinstance(picture, CanonicalImage):  # never a digest that somebody else computed, nor past the limits
        return from_pil(Image.fromarray(CanonicalImage.of(picture.pixels).pixels))
    return decode(picture).image if isinstance(picture, bytes) else from_pil(picture)


@contextmanager
def _ours() -> Iterator[None]:
    """No foreign exception leaves, whatever a host's perception, clock or store raises."""
    try:
        yield
    except ConsentEditError:
        raise
    except Exception as error:
        raise CheckFailed(
            f"the edit broke off with {type(error).__name__}", code="check.edit-failed"
        ) from error
