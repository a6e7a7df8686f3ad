"""How torch computes here: plain float32 on every device, the same kernels each time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def exact() -> Iterator[None]:
    """Inside, convolutions keep all of float32 (no TF32), are chosen without a race, and nothing is recorded.

    The settings are the process's; the host's own are put back after the block.
    """
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = False
    try:
        with (
            torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False),
            torch.no_grad(),
        ):
            yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


def device_of(name: str) -> torch.device:
    """The device of that name.

    Raises:
        ModelUnavailable: torch sees no such device.
    """
    from consent_edit.errors import ModelUnavailable

    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, ValueError) as error:
        raise ModelUnavailable(
            f"torch sees no device {name!r}", remedy="name a device torch sees, or use the CPU backend"
        ) from error
    return device


def runtime_name(device: torch.device) -> str:
    """What a record says ran: torch's version and the device, such as ``torch-2.13.0-cuda:NVIDIA H200``."""
    version = torch.__version__.split("+")[0]
    name = f"cuda:{torch.cuda.get_device_name(device)}" if device.type == "cuda" else device.type
    return f"torch-{version}-{name}"
