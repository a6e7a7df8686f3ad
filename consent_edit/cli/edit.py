"""``consent-edit edit``: one picture through the whole gate with the built-in colour-grading editor."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from consent_edit import operator_folder
from consent_edit.cli.terminal import AsJson, read_file, say
from consent_edit.consent.presentation import Presentation
from consent_edit.errors import InputError
from consent_edit.request import EditRequest, FileFormat
from consent_edit.vocabulary import Operation, Purpose

if TYPE_CHECKING:
    from consent_edit.editor import ConsentEditor

PictureArgument = Annotated[Path, typer.Argument(help="JPEG, PNG or WebP file.")]
PromptOption = Annotated[str, typer.Option(help="What to do to the picture, in words.")]
OperatorOption = Annotated[Path, typer.Option(help="Operator's folder (consent-edit operator init).")]
GranteeOption = Annotated[str, typer.Option(help="Who edits, as grants name them.")]
ConsentOption = Annotated[
    list[Path] | None, typer.Option("--consent", help="Presentation file of a person depicted; repeatable.")
]
OperationOption = Annotated[
    list[Operation] | None, typer.Option("--operation", help="What the edit does, where words do not say it.")
]
PurposeOption = Annotated[Purpose, typer.Option(help="What the edit is for.")]

_FORMATS: dict[str, FileFormat] = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".webp": "webp"}


def read_request(
    picture: Path,
    *,
    prompt: str,
    grantee: str,
    consent: list[Path] | None,
    operation: list[Operation] | None,
    purpose: Purpose,
    file_format: FileFormat = "png",
) -> EditRequest:
    """The request that command-line options describe.

    Raises:
        InputError: a file cannot be read.
        ConsentInvalid: a presentation file is malformed.
    """
    return EditRequest(
        image=read_file(picture, code="input.unreadable"),
        prompt=prompt,
        grantee=grantee,
        presentations=tuple(Presentation.read(path) for path in consent or ()),
        operations=frozenset(operation or ()),
        purpose=purpose,
        file_format=file_format,
    )


def built_in_editor(operator: Path) -> ConsentEditor:
    """The colour-grading editor under an operator's folder; torch is loaded here and not before.

    Raises:
        InputError: the folder is not an operator's.
        Unavailable: a needed part is missing.
    """
    from consent_edit.editor import ConsentEditor
    from consent_edit.pipelines.grading import GradingPipeline

    return ConsentEditor(GradingPipeline.shipped(), operator_folder.load(operator))


def edit(
    *,
    picture: PictureArgument,
    prompt: PromptOption,
    operator: OperatorOption,
    grantee: GranteeOption,
    out: Annotated[Path, typer.Option(help="File to write; its receipt lies beside it.")],
    consent: ConsentOption = None,
    operation: OperationOption = None,
    purpose: PurposeOption = Purpose.PERSONAL,
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
        file_format=file_format,
    )
    editor = built_in_editor(operator)
    try:
        result = editor.edit(request)
    finally:
        editor.close()
    receipt = out.with_name(out.name + ".receipt.json")
    out.write_bytes(result.released)
    receipt.write_text(result.receipt)
    facts = {"output": str(out), "receipt": str(receipt), "decision_id": result.decision_id}
    say(as_json, facts, f"released {out}, receipt {receipt}")
