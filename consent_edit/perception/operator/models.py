"""An operator's own models as declared: added beside the must-run ones, never put in place of them.

What a file of models may say is closed: every model names its file, the file's hash, its licence and its own
thresholds; nothing is guessed, nothing has a default, and nothing is ever downloaded.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from consent_edit.errors import ArgumentRejected, ModelUnavailable
from consent_edit.perception.models.lock import FileName, ModelFile, Sha256
from consent_edit.thresholds import AddedEmbedder, Thresholds

CODE: Final = "input.operator-models"
"""Code of the ArgumentRejected for a file of models that cannot be used."""

INSIGHTFACE_NOTICE: Final = (
    "the models that InsightFace publishes are for non-commercial research only, unless its makers licensed "
    "them to you otherwise"
)
"""Shown and recorded with every pack, whatever its declared licence says."""

_MAX_BYTES: Final = 64 * 1024
_REMEDY: Final = "see docs/perception.md, 'Models of your own'"

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]
Share = Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)]
Licence = Annotated[str, Field(min_length=1, max_length=4096)]
Colours = Annotated[tuple[float, float, float], Field()]
AbsolutePath = Annotated[Path, Field()]


class _Declared(BaseModel):
    """Closed and frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class PackDetection(_Declared):
    """The pack's face detector: SCRFD with five points.

    Attributes:
        threshold: Score from which its box is a face.
    """

    file: FileName
    sha256: Sha256
    threshold: Share


class PackRecognition(_Declared):
    """The pack's embedder: ArcFace, 112 px.

    Attributes:
        match: Cosine from which it accepts a face as a credential's person; both families must accept too.
        enrol: Cosine that every pair of enrolment photos must reach.
        keep: Cosine from which it takes an output face for that person still.
    """

    file: FileName
    sha256: Sha256
    match: Share
    enrol: Share
    keep: Share

    @model_validator(mode="after")
    def _ordered(self) -> PackRecognition:
        if not self.keep <= self.match <= self.enrol:
            raise ValueError("keep <= match <= enrol")
        return self


class PackAge(_Declared):
    """The pack's age model: genderage, 96 px; its other answer is not read.

    Attributes:
        adult_from: Years below which a face counts as a minor's.
    """

    file: FileName
    sha256: Sha256
    adult_from: Annotated[float, Field(ge=18, le=100)]


class InsightFacePack(_Declared):
    """A folder of models that insightface runs.

    Attributes:
        name: What boxes, templates and receipts call it.
        folder: An absolute path; never downloaded into.
        licence: Under which the operator holds it, in the operator's words.
        providers: ONNX Runtime's, the first one wanted; one that is not there is an error.
    """

    name: Name
    folder: AbsolutePath
    licence: Licence
    providers: tuple[Literal["CPUExecutionProvider", "CUDAExecutionProvider"], ...] = Field(min_length=1)
    detection: PackDetection | None = None
    recognition: PackRecognition | None = None
    age: PackAge | None = None

    @model_validator(mode="after")
    def _used(self) -> InsightFacePack:
        if not self.folder.is_absolute():
            raise ValueError("folder must be an absolute path")
        if self.detection is None and self.recognition is None and self.age is None:
            raise ValueError("a pack needs a model at least")
        return self

    @property
    def embedder(self) -> str:
        """The role under which its embeddings and templates go."""
        return f"operator-{self.name}-embedding"


class ExposureModel(_Declared):
    """An ONNX classifier of pictures.

    Attributes:
        file: An absolute path.
        side: Pixels of its square input.
        mean: Taken off each of the colours, 0 to 255, in the order of ``colours``.
        std: Then divided by.
        answer: What its first output holds, a column a class.
        positive: Classes whose probabilities are added up.
        threshold: Sum from which a picture, or a person's part of it, reads nude.
    """

    name: Name
    file: AbsolutePath
    sha256: Sha256
    licence: Licence
    side: Annotated[int, Field(ge=32, le=1024)]
    mean: Colours
    std: Colours
    colours: Literal["rgb", "bgr"]
    layout: Literal["nchw", "nhwc"]
    answer: Literal["probabilities", "logits"]
    positive: tuple[Annotated[int, Field(ge=0, le=4095)], ...] = Field(min_length=1)
    threshold: Share

    @model_validator(mode="after")
    def _usable(self) -> ExposureModel:
        if not self.file.is_absolute():
            raise ValueError("file must be an absolute path")
        if any(value == 0 for value in self.std) or len(set(self.positive)) != len(self.positive):
            raise ValueError("std holds a zero, or a class is named twice")
        return self


class OperatorModels(_Declared):
    """All models an operator adds, and where models run. Picklable; holds paths and numbers, no model.

    Attributes:
        backend: ``cpu``, or the device on which torch runs the must-run models: ``cuda:0``. It judges by the
            same thresholds, so it is no part of the digest; every record names the runtime of each model.
    """

    format: Literal[1] = 1
    backend: Annotated[str, Field(pattern=r"^(cpu|torch-cpu|cuda(:[0-9]{1,3})?)$")] = "cpu"
    insightface: tuple[InsightFacePack, ...] = ()
    exposure: tuple[ExposureModel, ...] = ()

    @model_validator(mode="after")
    def _distinct(self) -> OperatorModels:
        for names in ([pack.name for pack in self.insightface], [model.name for model in self.exposure]):
            if len(set(names)) != len(names):
                raise ValueError("a name is used twice")
        return self

    @property
    def digest(self) -> str:
        """SHA-256, hex, of all that is declared."""
        return hashlib.sha256(self.model_dump_json(exclude={"backend"}).encode()).hexdigest()

    def files(self) -> tuple[tuple[str, Path, str, str], ...]:
        """Every file declared: its role for people, its path, its SHA-256 and its licence notice."""
        notices = self.notices()
        found = [
            (f"{pack.name}-{part}", pack.folder / one.file, one.sha256, notices[f"insightface {pack.name}"])
            for pack in self.insightface
            for part, one in (
                ("detection", pack.detection),
                ("recognition", pack.recognition),
                ("age", pack.age),
            )
            if one is not None
        ]
        found += [
            (f"{model.name}-exposure", model.file, model.sha256, notices[f"exposure {model.name}"])
            for model in self.exposure
        ]
        return tuple(found)

    def notices(self) -> Mapping[str, str]:
        """Name -> licence text to show and to record."""
        packs = {
            f"insightface {pack.name}": f"{pack.licence} ({INSIGHTFACE_NOTICE})" for pack in self.insightface
        }
        return packs | {f"exposure {model.name}": model.licence for model in self.exposure}

    def added_to(self, limits: Thresholds) -> Thresholds:
        """The thresholds with every added embedder, which must agree from now on; the digest says so."""
        if not self.insightface and not self.exposure:
            return limits
        told = hashlib.sha256(f"{limits.digest}\n{self.digest}".encode()).hexdigest()
        return replace(limits, added=(*limits.added, *self._embedders()), digest=told)

    def _embedders(self) -> Iterator[AddedEmbedder]:
        for pack in self.insightface:
            if pack.recognition is not None:
                one = pack.recognition
                yield AddedEmbedder(pack.embedder, match=one.match, enrol=one.enrol, keep=one.keep)


def read_operator_models(path: Path) -> OperatorModels:
    """Read an operator's file of models (TOML).

    Raises:
        ArgumentRejected: ``input.operator-models``: it cannot be read, or says anything that is not allowed.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
        if len(data) > _MAX_BYTES:
            raise ArgumentRejected("the file of models is too large", code=CODE, remedy=_REMEDY)
        return OperatorModels.model_validate(tomllib.loads(data.decode()))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ArgumentRejected(
            f"the file of models is not valid: {where or 'as a whole'}: {first['msg']}",
            code=CODE,
            remedy=_REMEDY,
        ) from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ArgumentRejected(
            f"the file of models cannot be read ({type(error).__name__})", code=CODE, remedy=_REMEDY
        ) from error


def operator_file(path: Path, sha256: str, role: str) -> ModelFile:
    """Read one file of the operator's once, and hash what was read.

    Raises:
        ModelUnavailable: missing, unreadable, or not the bytes that were declared.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelUnavailable(
            f"the operator's model {role} cannot be read ({type(error).__name__})",
            remedy=f"put the file at {path}, or take the model out of the file of models",
        ) from error
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise ModelUnavailable(
            f"the operator's model {role} is not the file declared: its hash is {found}",
            remedy="put the declared file back, or declare the new one after looking where it comes from",
        )
    return ModelFile(role=role, path=path, sha256=found, data=data)
