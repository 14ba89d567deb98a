"""What was measured, as Markdown and JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from measure import Figures
from rows import Goal, Row
from stats import Spread, ratio, spread


@dataclass
class Measured:
    """A row's rounds so far: the figures of each subject, one entry a round, and why others are not there."""

    row: Row
    rounds: dict[str, list[Figures]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)

    def values(self, subject: str, figure: str) -> list[float]:
        return [figures[figure] for figures in self.rounds.get(subject, []) if figure in figures]

    def leave_out(self, subject: str, reason: str) -> None:
        """Rounds that it was in are forgotten: it was not measured like the others."""
        self.rounds.pop(subject, None)
        self.left_out[subject] = reason


@dataclass(frozen=True)
class Verdict:
    goal: Goal
    title: str
    value: Spread
    met: bool

    @property
    def open(self) -> bool:
        """Rounds say both."""
        return self.goal.is_met_by(self.value.low) != self.goal.is_met_by(self.value.high)


def judge(measured: Measured) -> list[Verdict]:
    """Of the goals whose figures are all there."""
    verdicts = []
    for goal in measured.row.goals:
        ours = measured.values("hoist", goal.figure)
        theirs = measured.values(goal.against or "hoist", goal.of or goal.figure)
        if not ours or not theirs:
            continue
        value = ratio(ours, theirs) if goal.against or goal.of else spread(ours)
        verdicts.append(Verdict(goal, goal.title(measured.row), value, goal.is_met_by(value.median)))
    return verdicts


def number(value: float, digits: int) -> str:
    return f"{value:,.{digits}f}"


def short(value: float, bound: float | None = None) -> str:
    """Four digits or so; as many as it takes to tell the value from another."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    digits = 4
    while bound is not None and value != bound and float(f"{value:.{digits}g}") == bound:
        digits += 1
    return f"{value:.{digits}g}"


def cell(values: list[float], digits: int) -> str:
    value = spread(values)
    text = number(value.median, digits)
    return text if value.low == value.high else f"{text} ({number(value.low, digits)} – {number(value.high, digits)})"


def table(measured: Measured) -> list[str]:
    """A line for each server; of a single one, a line for each figure."""
    columns = measured.row.columns
    if len(measured.rounds) == 1:
        (subject,) = measured.rounds
        lines = [
            f"| {column.title} | {cell(measured.values(subject, column.figure), column.digits)} |" for column in columns
        ]
        return [f"| | {measured.row.label(subject)} |", "|---|---:|", *lines]
    lines = ["| | " + " | ".join(column.title for column in columns) + " |", "|---" + "|---:" * len(columns) + "|"]
    for subject in measured.rounds:
        label = measured.row.label(subject)
        cells = [cell(measured.values(subject, column.figure), column.digits) for column in columns]
        lines.append(f"| {f'**{label}**' if subject == 'hoist' else label} | " + " | ".join(cells) + " |")
    return lines


def verdict_line(verdict: Verdict) -> str:
    value, goal = verdict.value, verdict.goal
    spread_text = f" ({short(value.low)} – {short(value.high)})" if value.low < value.high else ""
    return (
        f"- {'met' if verdict.met else '**missed**'}: {verdict.title}: {short(value.median, goal.bound)}{spread_text}, "
        f"goal {goal.sense} {short(goal.bound)}{'; open: rounds say both' if verdict.open else ''}"
    )


def section(measured: Measured) -> str:
    row = measured.row
    lines = [f"## {row.title}", "", row.how, ""]
    if measured.rounds:
        lines += [*table(measured), ""]
    lines += [verdict_line(verdict) for verdict in judge(measured)]
    lines += [f"- left out: {row.label(subject)}: {reason}" for subject, reason in measured.left_out.items()]
    return "\n".join(lines).rstrip() + "\n"


def markdown(facts: dict[str, str], rows: list[Measured], chart: str) -> str:
    head = [
        "# What ./dev bench measured",
        "",
        "Written by `./dev bench`; docs/BENCHMARKING.md says how to read it. Each figure "
        "is the median of the rounds, with the lowest and highest; each ratio that of the medians, with the lowest and "
        "highest of a round.",
        "",
    ]
    head += [f"- {name}: {value}" for name, value in facts.items()]
    return "\n".join([*head, "", f"![hoist against its goals]({chart})", "", *(section(row) for row in rows)])


def as_json(facts: dict[str, str], rows: list[Measured]) -> dict[str, Any]:
    return {
        "facts": facts,
        "rows": [
            {
                "key": measured.row.key,
                "title": measured.row.title,
                "rounds": measured.rounds,
                "left_out": measured.left_out,
                "goals": [
                    {
                        "title": verdict.title,
                        "sense": verdict.goal.sense,
                        "bound": verdict.goal.bound,
                        "met": verdict.met,
                        "open": verdict.open,
                        "value": asdict(verdict.value),
                    }
                    for verdict in judge(measured)
                ],
            }
            for measured in rows
        ],
    }
