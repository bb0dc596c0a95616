"""The table of results that a run prints."""

from collections.abc import Sequence

from bench.figures import Figure, Run, middle, short

_HEAD = ("", "what", "ours", "limit or rival", "ratio", "goal", "missed by")


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
    ours, spread = f"{short(middle(figure.ours))} {figure.unit}", _spread(figure.ratios)
    against = ratio = ""
    if figure.theirs:
        against = f"{figure.against} {short(middle(figure.theirs))}"
        ratio = f"{short(figure.ratio)} ({spread})"
    return (
        figure.goal,
        figure.what,
        ours if figure.theirs else f"{ours} ({spread})",
        against,
        ratio,
        f"{figure.sense} {short(figure.bound)}",
        "" if figure.holds else f"{short(1 / figure.margin)} x",
    )


def _spread(values: Sequence[float]) -> str:
    return "-".join(short(value).replace(" ", "") for value in (min(values), max(values)))


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
