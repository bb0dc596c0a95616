"""The chart of growth: cost against people online, each cost as a multiple of its first value.

Both scales are logarithmic: a cost in proportion to the people online follows the dashed diagonal,
and a steeper one crosses it.
"""

import math
from collections.abc import Mapping
from xml.sax.saxutils import escape

from bench.chart import opening

_WIDTH, _HEIGHT = 900, 460
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 470, 50, 410
_COLOURS = ("#2a7f62", "#b5483a", "#33658a", "#c98a1b", "#6b4e9b", "#777777", "#1b9e9e", "#a0527a")


def chart(costs: Mapping[str, Mapping[str, float]], names: Mapping[str, str]) -> str:
    """SVG."""
    sizes = sorted(map(int, costs))
    span = max(sizes[-1] / sizes[0], 1.01)
    lines = [
        opening(_WIDTH, _HEIGHT),
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
        f'<text x="10" y="22" font-size="15">Cost against people online, as a multiple of the cost at {sizes[0]:,}</text>',
        f'<line x1="{_LEFT}" y1="{_BOTTOM}" x2="{_RIGHT}" y2="{_TOP}" stroke="#999" stroke-dasharray="6 4"/>',
        f'<rect x="{_LEFT}" y="{_TOP}" width="{_RIGHT - _LEFT}" height="{_BOTTOM - _TOP}" fill="none" stroke="#ccc"/>',
    ]
    for size in sizes:
        x = _across(size / sizes[0], span)
        y = _up(size / sizes[0], span)
        lines.append(f'<text x="{x:.0f}" y="{_BOTTOM + 18}" text-anchor="middle">{size:,}</text>')
        lines.append(
            f'<text x="{_LEFT - 6}" y="{y + 4:.0f}" text-anchor="end">{size / sizes[0]:g} x</text>'
        )
    for place, (key, name) in enumerate(names.items()):
        first = max(costs[str(sizes[0])][key], 1e-9)
        points = [
            (_across(size / sizes[0], span), _up(max(costs[str(size)][key], 1e-9) / first, span))
            for size in sizes
        ]
        colour, y = _COLOURS[place % len(_COLOURS)], _TOP + 16 + 22 * place
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        lines.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        lines += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points]
        lines.append(
            f'<rect x="{_RIGHT + 24}" y="{y - 10}" width="14" height="10" fill="{colour}"/>'
        )
        lines.append(f'<text x="{_RIGHT + 44}" y="{y}">{escape(name)}</text>')
    y = _TOP + 16 + 22 * len(names)
    lines.append(
        f'<text x="{_RIGHT + 24}" y="{y}" fill="#777">dashed: in proportion to people online</text>'
    )
    return "\n".join([*lines, "</svg>", ""])


def _across(times: float, span: float) -> float:
    return _LEFT + (_RIGHT - _LEFT) * math.log(times) / math.log(span)


def _up(times: float, span: float) -> float:
    share = math.log(times) / math.log(span)
    return _BOTTOM - (_BOTTOM - _TOP) * min(max(share, 0.0), 1.1)
