"""An operator's folder, people who may consent, and an editor that an engine loads by name: for tests.

The editor is a light pipeline with scripted perception: person 1 stands in every picture that is handed in,
and words of the prompt make things go wrong (:data:`FAULTS`). What was looked at before a release is written
down beside the operator, so that tests can hold what a host was given against it.
"""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import consent_world
import light_pipeline
from consent_world import AUDIENCE, GRANTEE, STATUS_URI, ConsentWorld, Person, face
from fake_perception import RIGHT, ScriptedPerception, picture, seen_face

from consent_edit import operator_folder
from consent_edit.consent.holder.wallet import HeldGrant
from consent_edit.consent.jose import unverified
from consent_edit.consent.query import use_id
from consent_edit.consent.status.lists import put_status_list
from consent_edit.editor import ConsentEditor
from consent_edit.errors import CheckFailed, StoreUnavailable
from consent_edit.intake.canonical import CanonicalImage
from consent_edit.operator import Operator
from consent_edit.perception.failures import IMAGE_ORDER, lost_runs, no_image
from consent_edit.perception.observation import (
    CheckRun,
    FaceObservation,
    ImageObservation,
    PromptObservation,
)
from consent_edit.pipelines.engine.setup import EngineSetup
from consent_edit.request import EditRequest
from consent_edit.store.store import Store
from consent_edit.vocabulary import CheckOutcome, Operation

CHECKED, FORBIDDEN = "checked.txt", "forbidden.txt"

FAULTS = (
    "kill-before",
    "kill-running",
    "kill-inside-commit",
    "kill-after-commit",
    "hang-running",
    "raise-before",
    "raise-running",
    "store-busy",
    "store-gone",
    "blind-before",
    "blind-running",
)
"""Words that a prompt may end with, and what they do, before admission or after."""


@dataclass
class EngineWorld:
    """Both sides: the folder that an engine is started on, and what a host needs to ask it."""

    folder: Path
    consent: ConsentWorld
    person: Person
    builder: str = "engine_worlds:editor"
    lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def make(cls, folder: Path) -> EngineWorld:
        """A fresh operator in ``folder/operator``, under a clock of today."""
        consent = ConsentWorld.make()
        consent.clock.now = int(time.time())
        token = consent_world._trust_token(consent.issuer, consent.anchor, consent.clock.now)
        operator_folder.create(
            folder / "operator",
            audience=AUDIENCE,
            trust_list=token,
            anchor=json.dumps(consent.anchor.public.export()),
            status_uris=(STATUS_URI,),
        )
        world = cls(folder, consent, consent.person(face(1)))
        world.publish()
        return world

    @property
    def operator(self) -> Path:
        """The operator's folder."""
        return self.folder / "operator"

    def setup(self, **changes: object) -> EngineSetup:
        """What the engine is told to serve."""
        return EngineSetup(editor=self.builder, arguments=(str(self.folder),), **changes)  # type: ignore[arg-type]

    def publish(self) -> None:
        """Sign the status list anew; nothing older than a minute counts."""
        with self.lock:
            self.consent.clock.now = int(time.time())
            token = self.consent.issuer.status.token(self.consent.clock.now)
            put_status_list(self.operator / "status", STATUS_URI, token)

    @contextmanager
    def published(self) -> Iterator[None]:
        """Publish every few seconds while the block runs, as a service does."""
        over = threading.Event()

        def publishing() -> None:
            while not over.wait(5.0):
                self.publish()

        thread = threading.Thread(target=publishing, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join(30)

    def grant(self, **changes: object) -> HeldGrant:
        """A grant of person 1 for tone edits."""
        self.consent.clock.now = int(time.time())
        return self.person.grant(**{"operations": {Operation.TONE}, **changes})

    def request(self, words: str = "make it warmer", seed: int = 1, **changes: object) -> EditRequest:
        """A tone edit of picture ``seed``, without any consent."""
        asked: dict[str, object] = {
            "image": picture(seed),
            "prompt": words,
            "grantee": GRANTEE,
            "settings": {"num_inference_steps": 1},
            **changes,
        }
        return EditRequest(**asked)  # type: ignore[arg-type]

    def consented(self, words: str = "make it warmer", seed: int = 1, **changes: object) -> EditRequest:
        """The same, with the consent of everybody shown."""
        return self.request(words, seed, presentations=(self.grant().presentation(),), **changes)

    def store(self) -> Store:
        """The operator's store, opened beside the engine."""
        return operator_folder.open_store(self.operator)

    def uses(self, store: Store, grant: HeldGrant) -> int:
        """Releases counted under a grant."""
        subject = unverified(grant.presentation().grant)[1]["cnf"]["jkt"]  # type: ignore[index,call-overload]
        return store.uses(use_id(str(subject), grant.jti))

    def lines(self, name: str) -> set[str]:
        """What the engine's perception wrote down."""
        path = self.folder / name
        return set(path.read_text().split()) if path.exists() else set()


class FaultyPerception(ScriptedPerception):
    """Person 1 is everywhere; the words of a prompt say what goes wrong, and whom the output shows."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        self.words = ""
        self._looked: set[str] = set()

    def observe_image(self, image: CanonicalImage) -> ImageObservation:
        """Person 1; in the output as well, beside a stranger where the words ask for one."""
        again = bool(self.words)
        if "blind-running" in self.words or (not again and STATE["blind"]):
            STATE["blind"] = False
            return no_image(image, lost_runs(IMAGE_ORDER, CheckRun(IMAGE_ORDER[0], CheckOutcome.TIMED_OUT)))
        shown: tuple[FaceObservation, ...] = (seen_face(1),)
        if again and "stranger" in self.words:
            shown = (*shown, seen_face(7, RIGHT))
        if again:
            self._note(FORBIDDEN if "stranger" in self.words else CHECKED, image.digest)
        self.faces = {image.digest: shown}
        return super().observe_image(image)

    def read_prompt(self, texts: object, *, negative: object = ()) -> PromptObservation:
        """Ordinary words; from now on what is looked at is an output."""
        (self.words,) = texts  # type: ignore[misc]
        self._fail("before")
        return super().read_prompt(texts, negative=negative)  # type: ignore[arg-type]

    def observe_change(self, *asked: object) -> object:
        """Nothing changed but tone."""
        self._fail("running")
        words, self.words = self.words, ""
        STATE["words"] = words
        return super().observe_change(*asked)  # type: ignore[arg-type]

    def _fail(self, moment: str) -> None:
        if f"kill-{moment}" in self.words:
            os.kill(os.getpid(), signal.SIGKILL)
        if f"hang-{moment}" in self.words:
            time.sleep(3600)
        if f"raise-{moment}" in self.words:
            self.words = ""
            raise ValueError("about a person")

    def _note(self, name: str, digest: str) -> None:
        with (self._folder / name).open("a") as file:
            file.write(f"{digest}\n")
            file.flush()


STATE: dict[str, object] = {"words": "", "blind": False}
"""The words of the edit that is about to be released, and whether perception is lost for the next picture."""


def editor(folder: str) -> ConsentEditor:
    """What the engine loads."""
    place = Path(folder)
    operator = operator_folder.load(place / "operator")
    _break_commits(operator.store)
    perception = FaultyPerception(place)
    return FreshWords(light_pipeline.installed(), operator, perception=perception)


class FreshWords(ConsentEditor):
    """Forgets the words of an edit that ended before they were used up."""

    def edit(self, request, **more):
        """As the editor's own."""
        self.perception.words = STATE["words"] = ""
        STATE["blind"] = "blind-before" in request.prompt
        return super().edit(request, **more)


def _break_commits(store: Store) -> None:
    """Let words break the release in its transaction, after it or before it; once, or till the end."""
    genuine = store.commit_release

    def commit(**asked: object) -> object:
        words = str(STATE["words"])
        leaving = asked["leaf"]["event"] == "release"  # type: ignore[index]
        if "store-gone" in words or ("store-busy" in words and leaving):
            raise StoreUnavailable("the disk is full")
        if not leaving:
            return genuine(**asked)  # type: ignore[arg-type]
        if "kill-inside-commit" in words:
            _kill_at_the_end_of_the_transaction()
        entry = genuine(**asked)  # type: ignore[arg-type]
        if "kill-after-commit" in words:
            os.kill(os.getpid(), signal.SIGKILL)
        return entry

    store.commit_release = commit  # type: ignore[method-assign]


def _kill_at_the_end_of_the_transaction() -> None:
    from consent_edit.store import ledger

    whole = ledger.append

    def append(*arguments: object) -> object:
        whole(*arguments)  # type: ignore[arg-type]
        os.kill(os.getpid(), signal.SIGKILL)
        raise CheckFailed("not reached")

    ledger.append = append  # type: ignore[assignment]


def pipeline() -> object:
    """A pipeline alone, for engines that load an operator's folder themselves."""
    return light_pipeline.installed()


def no_editor() -> object:
    """Something else."""
    return object()


def broken_editor(folder: str) -> Operator:
    """Cannot be loaded."""
    raise OSError(f"about {folder}")
