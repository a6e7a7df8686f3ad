"""The curve of the change check: false touches against missed repaints, as the thresholds move."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from consent_edit.bench.change import FACTORS, EditRow
from consent_edit.bench.plots import drawn


def shares(rows: Sequence[EditRow], kind: str) -> tuple[float, ...]:
    """Share touched of all edits of one kind, at each of :data:`FACTORS`; empty where there are none."""
    chosen = [row for row in rows if row.kind == kind]
    pictures = sum(row.pictures for row in chosen)
    if not pictures:
        return ()
    return tuple(sum(row.curve[i] for row in chosen) / pictures for i in range(len(FACTORS)))


def plotted(rows: Sequence[EditRow], file: Path) -> None:
    """Write the curve as a PNG.

    Raises:
        Unavailable: matplotlib is not installed.
        ArgumentRejected: the file cannot be written.
    """
    with drawn((6.0, 4.0), file) as axes:
        named = (
            ("benign", "falsely touched", 1, "#cc6677"),
            ("body", "missed: a tenth of a body or more", -1, "#4477aa"),
            ("face", "missed: a face", -1, "#117733"),
        )
        for kind, label, sign, colour in named:
            found = shares(rows, kind)
            if found:
                lost = [share if sign > 0 else 1 - share for share in found]
                axes.plot(FACTORS, [100 * share for share in lost], marker="o", label=label, color=colour)
        axes.axvline(1.0, color="#999999", linewidth=0.8, linestyle="--")
        axes.set_xscale("log")
        axes.set_xticks(FACTORS, [str(factor) for factor in FACTORS])
        axes.minorticks_off()
        axes.set_xlabel("thresholds, as a multiple of the operating ones")
        axes.set_ylabel("per cent of edits")
        axes.grid(linewidth=0.3)
        axes.legend(fontsize=8)
