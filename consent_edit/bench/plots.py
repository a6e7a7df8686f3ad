"""Plots as PNG files: the axes that the benches draw on, and bars."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from consent_edit.errors import ArgumentRejected, Unavailable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_INCHES_A_BAR = 0.16


@contextmanager
def drawn(inches: tuple[float, float], file: Path) -> Iterator[Axes]:
    """Empty axes to draw on; what was drawn is written as a PNG at the end, unless drawing failed.

    Args:
        inches: Width and height.
        file: Where the PNG is written.

    Raises:
        Unavailable: matplotlib is not installed.
        ArgumentRejected: the file cannot be written.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise Unavailable(
            "plots need matplotlib", code="check.plot", remedy="pip install 'consent-edit[bench]'"
        ) from error
    figure = Figure(figsize=inches, layout="constrained")
    FigureCanvasAgg(figure)
    yield figure.add_subplot()
    try:
        figure.savefig(file, dpi=150, format="png")
    except OSError as error:
        raise ArgumentRejected(f"{file} cannot be written ({error.strerror})") from error


def bars(
    names: Sequence[str],
    shares: Sequence[float],
    intervals: Sequence[tuple[float, float]],
    *,
    title: str,
    file: Path,
) -> None:
    """Shares as horizontal bars with their 95 % intervals, the first on top.

    Args:
        names: Of the bars.
        shares: 0 to 1.
        intervals: Low and high of each.
        title: Over the plot.
        file: Where the PNG is written.

    Raises:
        Unavailable: matplotlib is not installed.
        ArgumentRejected: the file cannot be written.
    """
    with drawn((7.0, 1.0 + _INCHES_A_BAR * len(names)), file) as axes:
        places = range(len(names))
        spread = [
            [max(0.0, share - low) for share, (low, _) in zip(shares, intervals, strict=True)],
            [max(0.0, high - share) for share, (_, high) in zip(shares, intervals, strict=True)],
        ]
        axes.barh(
            places, shares, xerr=spread, color="#4477aa", error_kw={"elinewidth": 0.8, "ecolor": "#222222"}
        )
        axes.set_yticks(places, names, fontsize=6)
        axes.invert_yaxis()
        axes.set_xlim(min(0.8, *(low for low, _ in intervals)), 1.0)
        axes.set_title(title, fontsize=9)
        axes.grid(axis="x", linewidth=0.3)
