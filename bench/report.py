"""The table of results that a run prints."""

from bench.figures import LOWER, Figure, Run, middle, short

_HEAD = ("goal", "what", "ours", "limit or rival", "ratio", "spread", "goal", "verdict")


def table(run: Run) -> str:
    """Return the table as text."""
    rows = [_HEAD, *(_row(figure) for figure in run.figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)


def _row(figure: Figure) -> tuple[str, ...]:
    ratios = figure.ratios
    against = (
        f"{figure.against} {short(middle(figure.theirs))}" if figure.theirs else figure.against
    )
    return (
        figure.goal,
        figure.what,
        f"{short(middle(figure.ours))} {figure.unit}",
        against,
        short(figure.ratio) + (" x" if figure.theirs else ""),
        f"{short(min(ratios))} .. {short(max(ratios))}",
        f"{figure.sense} {short(figure.bound)}",
        verdict(figure),
    )


def verdict(figure: Figure) -> str:
    """Return whether the goal holds, or by how much not."""
    if figure.holds:
        return "holds"
    wanted = 1 / figure.margin
    if figure.sense == LOWER:
        return f"falls short: {short(wanted)} x too much"
    return f"falls short: needs {short(wanted)} x"


def sides(run: Run) -> str:
    """Return the load of each side: if a load generator used a whole core, it was the limit."""
    lines = []
    for side in run.sides:
        facts = ", ".join(f"{key} {value}" for key, value in side.items() if key != "case")
        lines.append(f"  {side['case']}: {facts}")
    return "\n".join(lines)


def in_markdown(run: Run) -> str:
    """The table for a document, and what a reader must know of the run."""
    machine = run.machine
    described = (
        f"{run.began}, {machine['cores']} cores of {machine['processor']}, Linux {machine['kernel']}, Python "
        f"{machine['python']}, load {machine['load'][0]} at the start; medians of {run.rounds} rounds, "
        f"{run.seconds:.0f} s in all."
    )
    lines = [
        described,
        "",
        "| " + " | ".join(_HEAD) + " |",
        "|---" * len(_HEAD) + "|",
    ]
    lines += ["| " + " | ".join(_row(figure)) + " |" for figure in run.figures]
    return "\n".join([*lines, *(f"\n{why}" for why in run.skipped)])
