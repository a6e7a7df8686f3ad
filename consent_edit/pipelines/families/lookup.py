"""Which family a pipeline is of; what nobody has classified could take a picture in by an unwatched door.

A class is looked up by its exact identity. A subclass, an unknown class and a pipeline that carries adapters
are refused.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Final

from consent_edit.errors import ArgumentRejected
from consent_edit.pipelines.families.family import Family
from consent_edit.pipelines.families.refused import why_refused
from consent_edit.pipelines.families.table import FAMILIES

HOW_TO_ASK: Final = (
    "use a class of docs/pipelines.md, or ask for this one to be covered: its picture, text and other "
    "arguments, and what it does to the size"
)

MARKUP: Final = frozenset(
    {f"<|{name}|>" for name in ("fim_prefix", "fim_middle", "fim_suffix", "fim_pad", "repo_name", "file_sep")}
    | {f"<{end}{name}>" for name in ("tool_call", "tool_response", "think") for end in ("", "/")}
)
"""Tokens that the Qwen tokenizers ship with beside their special ones; textual inversion adds others."""


def classify(pipeline: object) -> Family:
    """The family of a pipeline.

    Raises:
        ArgumentRejected: ``input.unsupported-pipeline`` for a class that is not on the list, a subclass of
            one, a class object, or an instance with methods of its own; ``input.adapter`` when adapters are
            loaded, since one can carry a person's likeness in.
    """
    kind = type(pipeline)
    for family in FAMILIES:
        module, _, name = family.class_path.partition(":")
        if getattr(sys.modules.get(module), name, None) is kind:  # the class itself; any may bear its name
            _refuse_replaced(pipeline)
            _refuse_adapters(pipeline)
            return family
    raise _unsupported(kind, why_refused(kind.__module__, kind.__qualname__))


def _unsupported(kind: type, reason: str) -> ArgumentRejected:
    return ArgumentRejected(
        f"pipelines of class {kind.__qualname__} are not covered: {reason}",
        code="input.unsupported-pipeline",
        remedy=HOW_TO_ASK,
    )


def _refuse_replaced(pipeline: object) -> None:
    """Refuse methods laid over the class's on the instance: they may take words or pictures of their own."""
    kind = type(pipeline)
    for name in vars(pipeline):
        if callable(getattr(kind, name, None)):
            raise _unsupported(kind, f"{name} was replaced on this pipeline")


def _refuse_adapters(pipeline: object) -> None:
    """Refuse LoRA, IP-Adapter and textual inversion: each can bring a likeness in without a picture."""
    components = getattr(pipeline, "components", {})
    for name, part in components.items():
        if any(map(_adapted, (part, getattr(part, "tokenizer", None)))):  # a processor holds a tokenizer
            raise ArgumentRejected(
                f"the pipeline's {name} carries an adapter",
                code="input.adapter",
                remedy="unload LoRA weights, IP-Adapters and textual inversions before guarding the pipeline",
            )


def _adapted(part: object) -> bool:
    return (
        bool(getattr(part, "peft_config", None))
        or bool(getattr(part, "_hf_peft_config_loaded", False))
        or getattr(part, "encoder_hid_proj", None) is not None
        or getattr(part, "image_proj", None) is not None
        or any("IPAdapter" in name for name in _attention(part))
        or _added_tokens(part)
    )


def _attention(part: object) -> Iterator[str]:
    """Names of the classes that a network's attention runs through."""
    processors = getattr(part, "attn_processors", None)
    yield from (type(one).__name__ for one in processors.values()) if isinstance(processors, dict) else ()


def _added_tokens(part: object) -> bool:
    """Whether a tokenizer holds tokens beyond those it ships with: textual inversion adds such."""
    vocabulary = getattr(part, "get_added_vocab", None)
    if not callable(vocabulary):
        return False
    known = MARKUP | set(getattr(part, "all_special_tokens", ()))
    return any(token not in known for token in vocabulary())
