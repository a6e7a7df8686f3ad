"""Loads a pipeline of a covered family: its class is known before a weight is read, and no code comes along.

1. The class is named by ``model_index.json`` or by the caller, and is looked up in the table of families.
2. Every part that the index names is of diffusers or transformers; no file of the folder is Python.
3. Weights are read as safetensors alone: a pickle can run code.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Final

from consent_edit.errors import ArgumentRejected, ConsentEditError, ModelUnavailable
from consent_edit.pipelines.families import FAMILIES, Family, classify
from consent_edit.pipelines.families.lookup import HOW_TO_ASK
from consent_edit.pipelines.families.refused import why_refused

INDEX: Final = "model_index.json"

FETCHING: Final = frozenset(
    {"revision", "variant", "token", "cache_dir", "local_files_only", "force_download"}
)
"""Arguments that say which files, and from where."""

_LOADING: Final = frozenset(
    {
        "dtype",
        "torch_dtype",
        "variant",
        "device_map",
        "max_memory",
        "low_cpu_mem_usage",
        "offload_folder",
        "quantization_config",
        "requires_safety_checker",
    }
)
_LEFT_OUT: Final = frozenset({"safety_checker", "feature_extractor", "image_encoder"})
"""Parts that may be left out with ``None``, as diffusers does it; none is taken from outside."""

_LIBRARIES: Final = frozenset({"diffusers", "transformers"})
_MOST_BYTES: Final = 1 << 20


def load(where: str | Path, family: str = "", **keywords: object) -> object:
    """A pipeline of a covered family, from a folder or a hub's id.

    Args:
        where: The folder, or the id of a repository.
        family: Name of the family to load it as, where the index names another class of the same parts, as
            the repositories of text-to-image pipelines do.
        **keywords: Of diffusers' ``from_pretrained``: which files, which precision, where to.

    Raises:
        ArgumentRejected: ``input.unsupported-pipeline``: its class is not covered; ``input.argument``: an
            argument that would bring code or foreign parts in; ``input.remote-code``: the folder would.
        ModelUnavailable: ``check.pipeline-load``: it is not there, or cannot be read.
    """
    fetching = {name: keywords[name] for name in sorted(FETCHING & keywords.keys())}
    loading = {name: value for name, value in keywords.items() if _may_load(name, value)}
    try:
        folder = Path(where)
        local = folder.is_dir()
        index = folder / INDEX if local else _fetched_index(str(where), fetching)
        kind = _class_of(_read(index), family)
        folder = folder if local else Path(kind.download(str(where), use_safetensors=True, **fetching))  # type: ignore[attr-defined]
        _refuse_code(folder)
        kind = _class_of(_read(folder / INDEX), family)  # the repository may have changed since
        pipeline: object = kind.from_pretrained(  # type: ignore[attr-defined]
            str(folder), use_safetensors=True, local_files_only=True, **loading
        )
    except ConsentEditError:
        raise
    except Exception as error:
        raise ModelUnavailable(
            f"the pipeline could not be loaded ({type(error).__name__}: {error})",
            code="check.pipeline-load",
            remedy="give a folder or repository with a model_index.json and weights as safetensors",
        ) from error
    classify(pipeline)
    return pipeline


def _may_load(name: str, value: object) -> bool:
    """Whether an argument goes to the loading; False for those that go to the fetching alone.

    Raises:
        ArgumentRejected: it goes to neither.
    """
    if name in _LOADING or (name in _LEFT_OUT and value is None):
        return True
    if name in FETCHING or (name == "use_safetensors" and value is True):
        return False
    raise ArgumentRejected(
        f"argument {name} is not taken: it could bring code or a foreign part in",
        remedy="for a pipeline of parts of your own, make it with diffusers and hand it to ConsentEditor",
    )


def _fetched_index(repository: str, fetching: Mapping[str, object]) -> Path:
    from huggingface_hub import hf_hub_download

    asked = {name: value for name, value in fetching.items() if name != "variant"}
    return Path(str(hf_hub_download(repository, INDEX, **asked)))  # type: ignore[call-overload]


def _read(index: Path) -> Mapping[str, object]:
    if index.stat().st_size > _MOST_BYTES:
        raise ArgumentRejected(
            "the model_index.json is too large to be one", code="input.unsupported-pipeline"
        )
    held = json.loads(index.read_text("utf-8"))
    if not isinstance(held, dict):
        raise ArgumentRejected("the model_index.json holds no index", code="input.unsupported-pipeline")
    return held


def _class_of(index: Mapping[str, object], asked: str) -> type:
    """The family's class that the index, or the caller, names."""
    named = index.get("_class_name")
    if not isinstance(named, str):  # a list names a file of code
        raise ArgumentRejected("the model_index.json names code of its own", code="input.remote-code")
    found = [one for one in FAMILIES if (one.name == asked if asked else _qualname(one) == named)]
    if not found:
        raise _uncovered(named, asked)
    module, _, name = found[0].class_path.partition(":")
    kind = getattr(import_module(module), name)
    for part, entry in index.items():
        if not part.startswith("_") and isinstance(entry, list):
            _refuse_foreign(part, entry)
    return kind  # type: ignore[no-any-return]


def _qualname(family: Family) -> str:
    return family.class_path.partition(":")[2]


def _uncovered(named: str, asked: str) -> ArgumentRejected:
    if asked:
        said, remedy = f"there is no family {asked}", "docs/pipelines.md names them"
    else:
        kind = getattr(import_module("diffusers"), named, None)
        why = why_refused(getattr(kind, "__module__", ""), named)
        said = f"pipelines of class {named} are not covered: {why}"
        remedy = f"to load its parts as an editing pipeline give family=, such as sd-img2img; or {HOW_TO_ASK}"
    return ArgumentRejected(said, code="input.unsupported-pipeline", remedy=remedy)


def _refuse_foreign(part: str, entry: list[object]) -> None:
    """Refuse a part of another library than those that diffusers' own pipelines are made of."""
    library = entry[0] if entry else ""
    if (
        library is None
        or library in _LIBRARIES
        or hasattr(import_module("diffusers.pipelines"), str(library))
    ):
        return
    raise ArgumentRejected(f"its {part} is of {library}, not of diffusers", code="input.remote-code")


def _refuse_code(folder: Path) -> None:
    for file in folder.rglob("*.py"):
        raise ArgumentRejected(
            f"the folder holds code: {file.relative_to(folder)}",
            code="input.remote-code",
            remedy="give a folder with the index, configurations and weights alone",
        )
