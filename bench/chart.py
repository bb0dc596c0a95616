"""The chart of a run: how far each figure is above or below its goal, as SVG.

python -m bench.chart FILE.json docs/bench.svg
"""

import math
import sys
from pathlib import Path
from xml.sax.saxutils import escape

from bench.figures import Figure, Run, load, short

_ROW = 22
_LEFT = 330
_WIDTH = 900
_TOP = 64
_LEAST, _MOST = 0.1, 10.0
_GOOD, _BAD = "#2a7f62", "#b5483a"


def chart(run: Run) -> str:
    """Bars to the right of the line meet their goal; the scale is logarithmic."""
    height = _TOP + _ROW * len(run.figures) + 30
    lines = [
        opening(_WIDTH, height),
        f'<rect width="{_WIDTH}" height="{height}" fill="white"/>',
        '<text x="10" y="22" font-size="15">How far each figure is from its goal</text>',
        f'<text x="10" y="40" fill="#555">{escape(_described(run))}</text>',
    ]
    for mark in (0.1, 0.2, 0.5, 1, 2, 5, 10):
        x = _place(mark)
        colour, width = ("#333", 1.5) if mark == 1 else ("#ddd", 1)
        label = "goal" if mark == 1 else f"{mark} x"
        lines.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP - 4}" y2="{height - 24}" '
            f'stroke="{colour}" stroke-width="{width}"/>'
        )
        lines.append(
            f'<text x="{x:.1f}" y="{height - 10}" text-anchor="middle" fill="#555">{label}</text>'
        )
    for row, figure in enumerate(run.figures):
        lines += _bar(figure, _TOP + row * _ROW)
    return "\n".join([*lines, "</svg>", ""])


def _bar(figure: Figure, y: int) -> list[str]:
    zero, end = _place(1.0), _place(figure.margin)
    width = max(abs(end - zero), 1)
    colour = _GOOD if figure.holds else _BAD
    label = f"{figure.goal}  {figure.what}" + (f" / {figure.against}" if figure.theirs else "")
    value = f"{short(figure.ratio)} ({figure.sense} {short(figure.bound)})"
    return [
        f'<text x="{_LEFT - 8}" y="{y + 14}" text-anchor="end">{escape(label)}</text>',
        f'<rect x="{min(zero, end):.1f}" y="{y + 3}" width="{width:.1f}" height="{_ROW - 7}" fill="{colour}"/>',
        f'<text x="{_WIDTH - 6}" y="{y + 14}" text-anchor="end" fill="#555">{escape(value)}</text>',
    ]


def opening(width: int, height: int) -> str:
    """Return the root element."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">'
    )


def _place(margin: float) -> float:
    share = (math.log(margin) - math.log(_LEAST)) / (math.log(_MOST) - math.log(_LEAST))
    return _LEFT + min(max(share, 0.0), 1.0) * (_WIDTH - _LEFT - 120)


def _described(run: Run) -> str:
    machine = run.machine
    return (
        f"medians of {run.rounds} rounds, {machine['cores']} cores of {machine['processor']}, "
        f"Python {machine['python']}; bars right of the line meet the goal"
    )


def main(words: list[str]) -> int:
    """The command line."""
    if len(words) != 2:
        print("python -m bench.chart FILE.json FILE.svg", file=sys.stderr)
        return 2
    Path(words[1]).write_text(chart(load(Path(words[0]).read_bytes())))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
