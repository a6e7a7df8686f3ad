"""A graph of an operator's pack in ONNX Runtime, and what it must look like to be what it is said to be."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import onnxruntime

from consent_edit.errors import ModelUnavailable
from consent_edit.perception.models.lock import SELF_TEST_CODE, ModelFile

T = TypeVar("T")


class PackSession:
    """One ONNX graph from hashed bytes, and the private copy that insightface insists on reading besides.

    Raises:
        ModelUnavailable: a provider is not there, or the runtime does not take the graph.
    """

    def __init__(self, file: ModelFile, providers: Sequence[str]) -> None:
        self._role = file.role
        self._folder = tempfile.TemporaryDirectory(prefix="consent-edit-")
        self.path = Path(self._folder.name) / "model.onnx"
        self.path.write_bytes(file.data)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 4
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a provider that is not there; asked for just below
            self.graph = self.guarded(
                lambda: onnxruntime.InferenceSession(file.data, options, providers=list(providers))
            )
        if self.graph.get_providers()[0] != providers[0]:
            raise ModelUnavailable(
                f"the operator's model {file.role} does not run on {providers[0]}",
                remedy="install the onnxruntime and libraries that have it, or declare CPUExecutionProvider",
            )

    def guarded(self, work: Callable[[], T]) -> T:
        """Run the library's own code; whatever it raises is a model that cannot be used."""
        try:
            return work()
        except ModelUnavailable:
            raise
        except Exception as error:
            raise ModelUnavailable(
                f"the operator's model {self._role} cannot be used ({type(error).__name__})",
                remedy="declare a file that is what it is declared to be",
            ) from error

    def not_what_it_says(self, what: str) -> ModelUnavailable:
        """The error for a model that is not of the declared kind."""
        return ModelUnavailable(
            f"the operator's model {self._role} is no {what}",
            code=SELF_TEST_CODE,
            remedy="declare a file that is what it is declared to be",
        )


def demand_shapes(session: PackSession, side: int, widths: range, what: str) -> None:
    """One square RGB input of that side, one finite row of numbers as answer.

    Raises:
        ModelUnavailable: it is something else.
    """
    inputs, outputs = session.graph.get_inputs(), session.graph.get_outputs()
    if len(inputs) != 1 or len(outputs) != 1 or list(inputs[0].shape[1:]) != [3, side, side]:
        raise session.not_what_it_says(what)
    batch = np.zeros((1, 3, side, side), np.float32)
    (answer,) = session.guarded(lambda: session.graph.run(None, {inputs[0].name: batch}))
    if answer.ndim != 2 or answer.shape[1] not in widths or not np.isfinite(answer).all():
        raise session.not_what_it_says(what)
