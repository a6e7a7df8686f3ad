"""Splits a call with lists, or with several pictures a prompt, into calls of one picture each.

By diffusers' rules: one prompt serves many pictures, one picture many prompts, and lists are of equal length;
``num_images_per_prompt`` repeats each. Every list is read once, here: what it becomes later changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from consent_edit.errors import ArgumentRejected
from consent_edit.pipelines.families import Family
from consent_edit.pipelines.signature import by_name

MOST: Final = 64
"""Pictures that one call may ask for; more are more calls."""

FORMS: Final = ("pil", "np", "pt")
"""What a released picture can be handed over as."""

_EACH: Final = "num_images_per_prompt"
_GENERATOR: Final = "generator"


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """A call in its parts.

    Attributes:
        calls: Keyword arguments of each single call, in diffusers' order; nothing of them is checked yet.
        each: How many of them are of one picture and prompt, beside one another.
        form: How the pictures are handed over.
        return_dict: Whether in an output with names, not a tuple.
    """

    calls: tuple[Mapping[str, object], ...]
    each: int
    form: str
    return_dict: bool


def split(
    pipeline: object, family: Family, arguments: tuple[object, ...], keywords: Mapping[str, object]
) -> Split:
    """Take a call apart.

    Args:
        arguments: Positional arguments, in the order of the pipeline's class.

    Raises:
        ArgumentRejected: ``input.argument``: it does not fit the class's signature; ``input.batch``: lists
            that do not go together, or too many pictures.
    """
    given = by_name(pipeline, arguments, keywords)
    form, return_dict = _owned(given, "output_type", FORMS), _owned(given, "return_dict", (True, False))
    several = {name: items for name, items in _lists(family, given).items() if items is not None}
    each = _each(given)
    generators = _list(_GENERATOR, given.get(_GENERATOR))
    pictures = _common({name: len(items) for name, items in several.items()})
    if generators is not None and len(generators) != pictures * each:
        raise _uneven(f"there are {len(generators)} generators for {pictures * each} pictures")
    if pictures * each > MOST:
        raise ArgumentRejected(
            f"one call may ask for {MOST} pictures", code="input.batch", remedy="make more calls of fewer"
        )
    calls = []
    for number in range(pictures * each):
        own = {name: items[number // each % len(items)] for name, items in several.items()}
        own |= {} if generators is None else {_GENERATOR: generators[number]}
        calls.append({**given, **own})
    return Split(tuple(calls), each, str(form), bool(return_dict))


def _lists(family: Family, given: Mapping[str, object]) -> dict[str, tuple[object, ...] | None]:
    """Argument -> its value a picture; none where it is one for all."""
    lists = {name: _list(name, given.get(name)) for name in (*family.text_arguments, *family.pictures)}
    for name in family.several:  # there a list is the pictures of one edit, and a list of lists a batch
        items = lists.get(name)
        lists[name] = items if items and any(isinstance(one, list | tuple) for one in items) else None
    return lists


def _list(name: str, value: object) -> tuple[object, ...] | None:
    if not isinstance(value, list | tuple):
        return None
    if type(value) is not list and type(value) is not tuple:  # it could be another list at each look
        raise ArgumentRejected(f"{name} is a list of a kind of its own", code="input.batch")
    items = tuple(value)
    if not items:
        raise ArgumentRejected(f"{name} is an empty list", code="input.batch")
    return items


def _owned(given: dict[str, object], name: str, may: Sequence[object]) -> object:
    """An argument that is served after the release, taken out of the call; left in where it is refused."""
    value = given.get(name)
    if name not in given or not any(type(value) is type(one) and value == one for one in (*may, None)):
        return may[0]
    del given[name]
    return may[0] if value is None else value


def _each(given: dict[str, object]) -> int:
    """How many pictures of each prompt; a number that is none is left for the allow-list to refuse."""
    value = given.get(_EACH)
    if type(value) is not int or value < 1:
        return 1
    del given[_EACH]
    return value


def _common(lengths: Mapping[str, int]) -> int:
    """How many pictures lists of these lengths are for; one of length one serves all."""
    longer = {name: length for name, length in lengths.items() if length > 1}
    if len(set(longer.values())) > 1:
        raise _uneven("; ".join(f"{name} has {length}" for name, length in longer.items()))
    return next(iter(longer.values()), 1)


def _uneven(said: str) -> ArgumentRejected:
    return ArgumentRejected(
        f"the lists are not of equal length: {said}",
        code="input.batch",
        remedy="give one of each for all, or as many as there are pictures",
    )
