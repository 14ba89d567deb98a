"""The goals as bars, one SVG: each bar is a figure in units of its bound, so that every mark stands at 1."""

from __future__ import annotations

from html import escape

from report import Measured, Verdict, judge, short
from rows import Row

WIDTH, LEFT, RIGHT = 1000, 430, 200
ROW_HEIGHT, BAR_HEIGHT, TOP, HEADING = 24, 12, 66, 34
FULL = 2.0  # of the bound: longer bars are cut and end in an arrow

STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #1f2933 }
  .title { font-size: 17px; font-weight: 600 } .heading { font-size: 13px; font-weight: 600 } .quiet { fill: #697586 }
  .label { text-anchor: end } .met { fill: #2f7d6b } .missed { fill: #c8642b }
  .spread { stroke: #1f2933; stroke-width: 1.5 } .goal { stroke: #1f2933; stroke-width: 1; stroke-dasharray: 3 3 }
  .paper { fill: #ffffff }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6e9ed } .quiet { fill: #9aa5b1 } .paper { fill: #14181d }
    .met { fill: #4fae98 } .missed { fill: #e08a54 } .spread, .goal { stroke: #e6e9ed }
  }"""


def place(share: float) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * min(max(share, 0.0), FULL) / FULL


def shares(verdict: Verdict) -> tuple[float, float, float]:
    """Value, low and high in units of the bound; a bound of 0 is met by 0 alone."""
    value, bound = verdict.value, verdict.goal.bound
    if bound == 0:
        return FULL * (value.median > 0), FULL * (value.low > 0), FULL * (value.high > 0)
    return value.median / bound, value.low / bound, value.high / bound


def bar(verdict: Verdict, row: Row, y: int) -> list[str]:
    value, low, high = shares(verdict)
    middle, top = y + ROW_HEIGHT / 2, y + (ROW_HEIGHT - BAR_HEIGHT) / 2
    state = "met" if verdict.met else "missed"
    end = place(value)
    lines = [
        f'<text class="label" x="{LEFT - 12}" y="{middle + 4}">'
        f'<tspan class="quiet">{escape(row.key)}</tspan> {escape(verdict.title)}</text>',
        f'<rect class="{state}" x="{LEFT}" y="{top}" width="{max(end - LEFT, 1.5):.1f}" height="{BAR_HEIGHT}" rx="2">'
        f"<title>{escape(row.title)}</title></rect>",
    ]
    if value > FULL:
        lines.append(
            f'<path class="{state}" d="M{end:.1f} {top - 3} l9 {BAR_HEIGHT / 2 + 3} l-9 {BAR_HEIGHT / 2 + 3} z"/>'
        )
    elif low < high:
        lines.append(f'<line class="spread" x1="{place(low):.1f}" x2="{place(high):.1f}" y1="{middle}" y2="{middle}"/>')
    text = f"{short(verdict.value.median, verdict.goal.bound)} of {short(verdict.goal.bound)}"
    lines.append(
        f'<text x="{WIDTH - RIGHT + 14}" y="{middle + 4}">{escape(text)}{"" if verdict.met else ", missed"}</text>'
    )
    return lines


def group(rows: list[Measured], sense: str, heading: str, y: int) -> tuple[list[str], int]:
    """Its lines, and where the next one may begin."""
    bars = [(verdict, measured.row) for measured in rows for verdict in judge(measured) if verdict.goal.sense == sense]
    if not bars:
        return [], y
    lines = [f'<text class="heading" x="{LEFT}" y="{y + 20}">{escape(heading)}</text>']
    top = y = y + HEADING
    for verdict, row in bars:
        lines += bar(verdict, row, y)
        y += ROW_HEIGHT
    lines.append(f'<line class="goal" x1="{place(1)}" x2="{place(1)}" y1="{top - 2}" y2="{y + 2}"/>')
    return lines, y + 10


def svg(facts: dict[str, str], rows: list[Measured]) -> str:
    body, y = group(rows, "at most", "Less is better: a bar that ends before the mark has met its goal", TOP)
    more, y = group(rows, "at least", "More is better: a bar that reaches the mark has met its goal", y)
    height = y + 8
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
            f'viewBox="0 0 {WIDTH} {height}" role="img">',
            "<title>hoist against its goals</title>",
            f"<style>{STYLE}\n</style>",
            f'<rect class="paper" width="{WIDTH}" height="{height}"/>',
            '<text class="title" x="24" y="32">hoist against its goals</text>',
            f'<text class="quiet" x="24" y="52">{escape(facts["cpu"])}, {escape(facts["system"])}; medians of '
            f'{escape(facts["rounds"])} rounds; the thin line is the spread; the dashed one the goal</text>',
            *body,
            *more,
            "</svg>",
            "",
        ]
    )
