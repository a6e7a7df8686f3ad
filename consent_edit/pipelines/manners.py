"""What a guarded pipeline still does in diffusers' manner: where it runs, how fast; no part is handed out."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, NoReturn, Self

from consent_edit.errors import ArgumentRejected, ConsentEditError
from consent_edit.pipelines.attended import TURN_DEADLINE_S
from consent_edit.pipelines.turns import turns

if TYPE_CHECKING:
    import torch

_SETTING: Final = "input.pipeline-setting"

_WHY: Final[Mapping[str, str]] = {
    "components": "its parts make pictures that nobody looks at",
    "from_pipe": "a pipeline made from it would be another, unguarded one",
    "scheduler": "every run is watched through it; set_scheduler(Class) puts another in its place",
    "load_lora_weights": "an adapter can carry a person's likeness in",
    "load_ip_adapter": "an adapter can carry a person's likeness in",
    "load_textual_inversion": "an adapter can carry a person's likeness in",
    "save_pretrained": "it is not changed by being guarded: save the pipeline itself",
}
_OWN: Final = frozenset({"pipeline", "operator", "family", "perception", "editor"})
"""What a guard holds by itself; any other name that is set would only seem to reach the pipeline."""

_COMPILERS: Final = ("inductor", "cudagraphs", "aot_eager", "eager")
"""Backends of torch's own; anybody's may be registered beside them, and is handed every tensor."""

_ELSE: Final = "only what says where and how fast it runs is passed on"


class NotPassedOn(ArgumentRejected, AttributeError):
    """Something of the pipeline that its guard does not pass on; to ``hasattr`` it is not there."""

    default_code = "input.not-passed-on"


class Manners(ABC):
    """Passes on what says where and how a pipeline runs, and refuses the rest by name.

    Nothing changes while an edit runs: each call waits for its turn, as an edit does.
    """

    @property
    @abstractmethod
    def _wrapped(self) -> object:
        """The pipeline."""

    @property
    def device(self) -> torch.device:
        """Where the pipeline is."""
        return self._wrapped.device  # type: ignore[attr-defined,no-any-return]

    @property
    def dtype(self) -> torch.dtype:
        """In which precision it runs."""
        return self._wrapped.dtype  # type: ignore[attr-defined,no-any-return]

    def to(self, *arguments: object, **keywords: object) -> Self:
        """Move it to a device or a precision, as diffusers does; returns this guard of it.

        Raises:
            ArgumentRejected: ``input.pipeline-setting``: diffusers refuses.
        """
        return self._do(self._wrapped, "to", *arguments, **keywords)

    def enable_model_cpu_offload(self, **keywords: object) -> Self:
        """Keep each network on the CPU until it is run. Raises as :meth:`to`."""
        return self._do(self._wrapped, "enable_model_cpu_offload", **keywords)

    def enable_sequential_cpu_offload(self, **keywords: object) -> Self:
        """Keep each layer on the CPU until it is run. Raises as :meth:`to`."""
        return self._do(self._wrapped, "enable_sequential_cpu_offload", **keywords)

    def enable_group_offload(self, **keywords: object) -> Self:
        """Keep groups of layers on the CPU until they are run. Raises as :meth:`to`."""
        return self._do(self._wrapped, "enable_group_offload", **keywords)

    def enable_attention_slicing(self, slice_size: str | int = "auto") -> Self:
        """Compute attention in slices. Raises as :meth:`to`."""
        return self._do(self._wrapped, "enable_attention_slicing", slice_size)

    def disable_attention_slicing(self) -> Self:
        """Compute attention at once. Raises as :meth:`to`."""
        return self._do(self._wrapped, "disable_attention_slicing")

    def enable_vae_slicing(self) -> Self:
        """Decode picture by picture. Raises as :meth:`to`."""
        return self._do(self._part("vae"), "enable_slicing")

    def enable_vae_tiling(self) -> Self:
        """Decode in tiles. Raises as :meth:`to`."""
        return self._do(self._part("vae"), "enable_tiling")

    def set_progress_bar_config(self, **keywords: object) -> Self:
        """Configure diffusers' own progress bar. Raises as :meth:`to`."""
        return self._do(self._wrapped, "set_progress_bar_config", **keywords)

    def set_attention_backend(self, backend: str) -> Self:
        """Compute attention with another backend of diffusers', one that is installed here.

        Raises:
            ArgumentRejected: as :meth:`to`; and for the backends whose code diffusers fetches from a hub.
        """
        if "hub" in str(backend).lower():
            raise ArgumentRejected(
                "that attention backend is code fetched from a hub",
                code=_SETTING,
                remedy="install the backend, and name it without hub",
            )
        return self._do(self._network, "set_attention_backend", backend)

    def compile(self, **keywords: object) -> Self:
        """Compile the network that draws, in place, as torch does it.

        Args:
            **keywords: ``fullgraph``, ``dynamic``, ``mode`` and ``disable``, and as ``backend`` a name of
                torch's own.

        Raises:
            ArgumentRejected: as :meth:`to`; and for a backend of somebody's own, or ``options``: either is
                shown what is being made.
        """
        foreign = [name for name, value in keywords.items() if not _torchs_own(name, value)]
        if foreign:
            raise ArgumentRejected(
                f"compile is not given {foreign[0]} as that",
                code=_SETTING,
                remedy=f"give fullgraph, dynamic, mode or disable, or a backend of: {', '.join(_COMPILERS)}",
            )
        return self._do(self._network, "compile", **keywords)

    def set_scheduler(self, kind: type, **config: object) -> Self:
        """Put a scheduler of diffusers' own in the place of the present one, made from its configuration.

        Args:
            kind: The class, such as ``diffusers.EulerDiscreteScheduler``.
            **config: What it shall have otherwise.

        Raises:
            ArgumentRejected: as :meth:`to`; and for a class that is not diffusers' own.
        """
        own = getattr(sys.modules.get("diffusers"), getattr(kind, "__name__", ""), None)
        if own is not kind or not hasattr(kind, "from_config") or not callable(getattr(kind, "step", None)):
            raise ArgumentRejected("that is no scheduler of diffusers' own", code=_SETTING)
        pipeline = self._wrapped
        present = self._part("scheduler")

        def put() -> None:
            pipeline.scheduler = kind.from_config(present.config, **config)  # type: ignore[attr-defined]

        return self._under_turn(put)

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)  # what Python itself looks for
        raise NotPassedOn(f"{name} is not passed on: {_WHY.get(name, _ELSE)}")

    def __setattr__(self, name: str, value: object) -> None:
        if not (name.startswith("_") or name in _OWN or hasattr(type(self), name)):
            raise NotPassedOn(f"{name} cannot be set here: {_WHY.get(name, _ELSE)}")
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        if name in _OWN:
            raise NotPassedOn(f"{name} cannot be taken away")
        super().__delattr__(name)

    @property
    def _network(self) -> object:
        """The network that draws."""
        return self._part("transformer" if hasattr(self._wrapped, "transformer") else "unet")

    def _part(self, name: str) -> object:
        part = getattr(self._wrapped, name, None)
        if part is None:
            raise ArgumentRejected(f"this pipeline has no {name}", code=_SETTING)
        return part

    def _do(self, part: object, name: str, *arguments: object, **keywords: object) -> Self:
        return self._under_turn(lambda: getattr(part, name)(*arguments, **keywords))

    def _under_turn(self, change: Callable[[], object]) -> Self:
        """Change something while no edit runs; what diffusers raises leaves as an error of ours."""
        try:
            with turns(self._wrapped).taken(TURN_DEADLINE_S):
                change()
        except ConsentEditError:
            raise
        except Exception as error:
            raise ArgumentRejected(
                f"diffusers refused with {type(error).__name__}: {error}", code=_SETTING
            ) from error
        return self


def _torchs_own(name: str, value: object) -> bool:
    """Whether an argument of ``compile`` brings no code along."""
    if name == "backend":
        return type(value) is str and value in _COMPILERS
    return name in ("fullgraph", "dynamic", "mode", "disable") and type(value) in (bool, str, type(None))
