"""``consent-edit edit``: one picture through the whole gate with the built-in colour-grading editor."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from consent_edit import operator_folder
from consent_edit.cli.terminal import AsJson, read_file, say
from consent_edit.consent.holder.wallet import Wallet
from consent_edit.errors import InputError, Unavailable
from consent_edit.operator import Operator
from consent_edit.policy.bundle import Narrowing
from consent_edit.policy.policy_file import PolicyFile
from consent_edit.remedies.kinds import Whom
from consent_edit.request import EditRequest, FileFormat
from consent_edit.vocabulary import Operation, Purpose

if TYPE_CHECKING:
    from consent_edit.editor import ConsentEditor

PictureArgument = Annotated[Path, typer.Argument(help="JPEG, PNG or WebP file.")]
PromptOption = Annotated[str, typer.Option(help="What to do to the picture, in words.")]
OperatorOption = Annotated[Path, typer.Option(help="Operator's folder (consent-edit operator init).")]
GranteeOption = Annotated[str, typer.Option(help="Who edits: the client id that grants name.")]
WalletOption = Annotated[
    Path | None, typer.Option("--wallet", help="Your wallet, where the grants name your own key.")
]
ConsentOption = Annotated[
    list[Path] | None, typer.Option("--consent", help="Presentation of a person depicted; repeatable.")
]
OperationOption = Annotated[
    list[Operation] | None, typer.Option("--operation", help="What the edit does, where words do not say it.")
]
PurposeOption = Annotated[Purpose, typer.Option(help="What the edit is for.")]
JurisdictionOption = Annotated[
    list[str] | None, typer.Option("--jurisdiction", help="Law the edit falls under, such as eu; repeatable.")
]

AnonymiseOption = Annotated[
    Whom, typer.Option(help="bystanders: make everybody without consent unrecognisable before the edit.")
]
CropOption = Annotated[
    Whom,
    typer.Option(help="bystanders: edit the part of the picture that shows the consenting people alone."),
]
PreserveOption = Annotated[
    Whom, typer.Option(help="bystanders: put bodies and people too small to recognise back after the edit.")
]

_FORMATS: dict[str, FileFormat] = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".webp": "webp"}


def read_request(
    picture: Path,
    *,
    prompt: str,
    grantee: str,
    consent: list[Path] | None,
    operation: list[Operation] | None,
    purpose: Purpose,
    jurisdiction: list[str] | None = None,
    anonymise: Whom = "",
    crop: Whom = "",
    preserve: Whom = "",
    file_format: FileFormat = "png",
) -> EditRequest:
    """The request that command-line options describe.

    Raises:
        InputError: a file cannot be read, or there is no such jurisdiction.
    """
    for code in jurisdiction or ():
        Narrowing.jurisdiction(code)  # an unknown one is told before anything is loaded
    return EditRequest(
        image=read_file(picture, code="input.unreadable"),
        prompt=prompt,
        grantee=grantee,
        presentations=tuple(_text(path) for path in consent or ()),
        operations=frozenset(operation or ()),
        purpose=purpose,
        anonymise=anonymise,
        crop=crop,
        preserve=preserve,
        jurisdictions=tuple(jurisdiction or ()),
        file_format=file_format,
    )


def proven(request: EditRequest, wallet: Path | None, audience: str) -> EditRequest:
    """The request with a proof by the wallet's key, where a wallet is named.

    Raises:
        InputError: there is no wallet.
    """
    if wallet is None:
        return request
    proof = Wallet.open(wallet).prove(request.digest(), audience=audience, now=int(time.time()))
    return replace(request, proof=proof)


def _text(path: Path) -> str:
    return read_file(path, code="input.presentation").decode("utf-8", "replace")


def built_in_editor(operator: Path) -> ConsentEditor:
    """The colour-grading editor under an operator's folder; torch is loaded here and not before.

    Raises:
        InputError: the folder is not an operator's.
        Unavailable: a needed part is missing.
    """
    loaded = operator_folder.load(operator)
    from consent_edit.editor import ConsentEditor
    from consent_edit.pipelines.grading import GradingPipeline

    return ConsentEditor(GradingPipeline.shipped(), loaded)


def tell_problem(operator: Operator) -> None:
    """Say on stderr that the policy file has become bad, and that the last good one stays in force."""
    problem = operator.policy.problem if isinstance(operator.policy, PolicyFile) else ""
    if problem:
        typer.echo(problem, err=True)


def edit(
    *,
    picture: PictureArgument,
    prompt: PromptOption,
    operator: OperatorOption,
    out: Annotated[Path, typer.Option(help="File to write; its receipt lies beside it.")],
    grantee: GranteeOption = "",
    wallet: WalletOption = None,
    consent: ConsentOption = None,
    operation: OperationOption = None,
    purpose: PurposeOption = Purpose.PERSONAL,
    jurisdiction: JurisdictionOption = None,
    anonymise: AnonymiseOption = "",
    crop: CropOption = "",
    preserve: PreserveOption = "",
    as_json: AsJson = False,
) -> None:
    """Edit one picture. Exits 3 when refused; nothing is written then."""
    file_format = _FORMATS.get(out.suffix.lower())
    if file_format is None:
        raise InputError("the output must end in .png, .jpg or .webp", code="input.format")
    request = read_request(
        picture,
        prompt=prompt,
        grantee=grantee,
        consent=consent,
        operation=operation,
        purpose=purpose,
        jurisdiction=jurisdiction,
        anonymise=anonymise,
        crop=crop,
        preserve=preserve,
        file_format=file_format,
    )
    receipt = out.with_name(out.name + ".receipt.json")
    places = (out, receipt)
    with _reserved(*places) as scratches:  # first: no use is burnt for a file that cannot be written
        editor = built_in_editor(operator)
        try:
            result = editor.edit(proven(request, wallet, editor.operator.audience))
        finally:
            editor.close()
            tell_problem(editor.operator)
        _put((result.released, result.receipt.encode("utf-8")), scratches, places)
    facts = {"output": str(out), "receipt": str(receipt), "decision_id": result.decision_id}
    say(as_json, facts, f"released {out}, receipt {receipt}")


@contextmanager
def _reserved(*places: Path) -> Iterator[tuple[Path, ...]]:
    """An empty hidden file beside every place, made before anything is spent and gone afterwards.

    Raises:
        InputError: ``input.out``: a place cannot be written to.
    """
    scratches = tuple(place.with_name(f".consent-edit-{secrets.token_hex(8)}") for place in places)
    try:
        try:
            for place, scratch in zip(places, scratches, strict=True):
                if place.is_dir():
                    raise InputError(
                        f"{place} is a folder", code="input.out", remedy="name a file with --out"
                    )
                scratch.open("xb").close()
        except OSError as error:
            raise InputError(
                f"cannot write to {places[0]}: {error.strerror}",
                code="input.out",
                remedy="name with --out a file in a folder that exists and can be written to",
            ) from error
        yield scratches
    finally:
        for scratch in scratches:
            with suppress(OSError):
                scratch.unlink()


def _put(contents: Sequence[bytes], scratches: Sequence[Path], places: Sequence[Path]) -> None:
    """Write what was released, whole or not at all; the first place last, never without what lies beside it.

    Raises:
        Unavailable: ``check.output-unwritten``, as on a disk that became full meanwhile.
    """
    try:
        for content, scratch in zip(contents, scratches, strict=True):
            scratch.write_bytes(content)
        for scratch, place in reversed(list(zip(scratches, places, strict=True))):
            scratch.replace(place)
    except OSError as error:
        raise Unavailable(
            f"the edit was released but cannot be written to {places[0]}: {error.strerror}",
            code="check.output-unwritten",
            remedy="make room and ask again; this release stands in the log, and its use is counted",
        ) from error
