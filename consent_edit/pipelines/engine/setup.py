"""What an engine serves: an operator's folder and a pipeline, loaded in the engine and nowhere else."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

from pydantic import Field

from consent_edit.errors import ConsentEditError, InputError, Unavailable
from consent_edit.pipelines.engine.messages import Wire
from consent_edit.pipelines.loading import load

if TYPE_CHECKING:
    from consent_edit.editor import ConsentEditor

_Text = Annotated[str, Field(max_length=4096)]


class EngineSetup(Wire):
    """What to load.

    Attributes:
        operator: The operator's folder (``consent-edit operator init``).
        pipeline: A folder of weights as diffusers saves it, or ``module:function`` that returns a pipeline;
            empty for the built-in colour-grading editor.
        editor: ``module:function`` that returns a whole ``ConsentEditor``, instead of both, for what a folder
            cannot say: restrictions, the operator's own perception.
        arguments: Handed to the function as they are.
        dtype: Precision that a folder's weights are loaded in; by default diffusers' own.
        device: Where a folder's pipeline runs, such as ``cuda``; by default the CPU.
        uids: Users who may ask; by default the engine's own.
        memory: Bytes of data the engine may hold; 0 for no bound.
    """

    operator: _Text = ""
    pipeline: _Text = ""
    editor: _Text = ""
    arguments: Annotated[tuple[_Text, ...], Field(max_length=64)] = ()
    dtype: Literal["", "float32", "float16", "bfloat16"] = ""
    device: _Text = ""
    uids: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(max_length=64)] = ()
    memory: Annotated[int, Field(ge=0)] = 0


def loaded(setup: EngineSetup) -> ConsentEditor:
    """The editor that a setup describes.

    Raises:
        InputError: ``input.engine``: there is no such function or folder; or as ``operator_folder.load``.
        Unavailable: ``check.engine-setup``: it cannot be loaded.
        VerificationFailed: as ``operator_folder.load``.
    """
    from consent_edit import operator_folder
    from consent_edit.editor import ConsentEditor

    try:
        if setup.editor:
            made = _called(setup.editor, setup.arguments)
            if not isinstance(made, ConsentEditor):
                raise InputError(f"{setup.editor} returns no ConsentEditor", code="input.engine")
            return made
        operator = operator_folder.load(Path(setup.operator))
        return ConsentEditor(_pipeline(setup), operator)
    except ConsentEditError:
        raise
    except Exception as error:
        raise Unavailable(
            f"what the engine serves cannot be loaded ({type(error).__name__})",
            code="check.engine-setup",
            remedy="load it once by hand, as the user the engine runs as",
        ) from error


def _pipeline(setup: EngineSetup) -> object:
    if not setup.pipeline:
        from consent_edit.pipelines.grading import GradingPipeline

        return GradingPipeline.shipped()
    folder = Path(setup.pipeline)
    if folder.is_dir():
        return _from_folder(folder, setup)
    if ":" in setup.pipeline:
        return _called(setup.pipeline, setup.arguments)
    raise InputError(
        f"{setup.pipeline} is neither a folder of weights nor module:function", code="input.engine"
    )


def _from_folder(folder: Path, setup: EngineSetup) -> object:
    """The pipeline of a folder; nothing is fetched."""
    import torch

    precision = {"dtype": getattr(torch, setup.dtype)} if setup.dtype else {}
    pipeline = load(folder, local_files_only=True, **precision)
    if setup.device:
        pipeline.to(setup.device)  # type: ignore[attr-defined]  # diffusers is untyped
    return pipeline


def _called(name: str, arguments: tuple[str, ...]) -> object:
    module, _, function = name.partition(":")
    try:
        found = getattr(import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise InputError(
            f"there is no {name} ({type(error).__name__})",
            code="input.engine",
            remedy="name it module:function; the module must be importable where the engine starts",
        ) from error
    return cast("object", found(*arguments))
