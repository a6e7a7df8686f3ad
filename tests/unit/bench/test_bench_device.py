"""The device benchmark tells every part, and what ran how; what is missing is a typed error."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

import numpy as np
import pytest

from consent_edit.bench.device import measure_device
from consent_edit.errors import InputError, ModelUnavailable
from consent_edit.perception.faces.passes import PASSES
from consent_edit.perception.models.store import ModelStore

POINTS = np.array([[60, 60], [100, 60], [80, 85], [62, 105], [98, 105]], np.float32)


@pytest.fixture
def picture():
    return np.random.default_rng(0).integers(0, 255, (160, 160, 3), dtype=np.uint8)


def test_a_report_names_every_part_and_how_it_was_computed(picture, monkeypatch):
    """On the CPU: milliseconds above nothing, all plain, no device memory, and all of it JSON."""
    pytest.importorskip("torch", reason="torch is not installed: pip install 'consent-edit[diffusers]'")
    from consent_edit.perception.backends.torch import eyes

    try:
        for role in ("face-detection", "exposure", "face-embedding-second", "face-landmarks-five"):
            ModelStore().load(role)
    except ModelUnavailable as error:
        pytest.skip(f"{error.message}; run: consent-edit models pull")
    monkeypatch.setattr(eyes, "must_run", lambda side: [one for one in PASSES if one.view.long_side == 128])
    report = measure_device(picture, POINTS, device="cpu", runs=1)
    told = json.loads(json.dumps(asdict(report)))
    assert told["runtime"].startswith("torch-")
    assert set(told["modes"].values()) == {"plain"}
    assert {name.split(" (")[0] for name in told["modes"]} == {
        "eyes",
        "exposure",
        "first embedder",
        "second embedder",
    }
    assert len(told["parts"]) == 5
    assert min(told["load"], told["first"], told["picture"], *told["parts"].values()) > 0
    assert (told["side"], told["memory"], told["faces"]) == (160, 0, 1)


def test_no_run_no_torch_and_no_such_device_are_typed_errors(picture, monkeypatch):
    """Each with its code; nothing is measured on another device instead."""
    with pytest.raises(InputError):
        measure_device(picture, POINTS, device="cpu", runs=0)
    pytest.importorskip("torch", reason="torch is not installed: pip install 'consent-edit[diffusers]'")
    with pytest.raises(ModelUnavailable, match="no device"):
        measure_device(picture, POINTS, device="cuda:99", runs=1)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ModelUnavailable, match="cannot be loaded"):
        measure_device(picture, POINTS, device="cpu", runs=1)
