"""The command line of the bench.

python -m bench [--only D1,F2] [--rounds 5] [--json FILE] [--quick]
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bench import (
    clustermail,
    direct,
    fanout,
    files,
    frugal,
    gateway,
    joining,
    mail,
    nodeloss,
    nodes,
    others,
    past,
    presence,
    size,
    slow,
    web,
)
from bench.document import put_section
from bench.figures import Figure, Run, save
from bench.machine import Failed, allow_descriptors, described
from bench.measures import Plan
from bench.report import in_markdown, sides, table

MEASURES: dict[str, Callable[[Plan], Iterator[Figure]]] = {
    "D1": direct.d1,
    "D2": direct.d2,
    "D3": direct.d3,
    "D4": direct.d4,
    "D5": frugal.d5,
    "R1": others.r1,
    "F1": fanout.f1,
    "F2": fanout.f2,
    "M1": mail.m1,
    "M2": clustermail.m2,
    "N1": nodes.n1,
    "N2": nodeloss.n2,
    "J1": joining.j1,
    "T1": presence.t1,
    "T2": presence.t2,
    "T3": presence.t3,
    "S1": size.s1,
    "S2": size.s2,
    "S3": size.s3,
    "L1": slow.l1,
    "I1": frugal.i1,
    "H1": past.h1,
    "P1": past.p1,
    "W1": web.w1,
    "W2": gateway.w2,
    "X1": files.x1,
    "X2": files.x2,
    "X3": files.x3,
}


def main() -> int:
    """Run the command line. Return 0 if everything requested was measured, whether or not the goals
    hold; else 1."""
    asked = _parsed()
    allow_descriptors()
    run = Run(machine=described(), rounds=asked.rounds, began=time.strftime("%Y-%m-%d %H:%M"))
    plan, began, failures = Plan(run, quick=asked.quick), time.monotonic(), 0
    for name in asked.only:
        print(f"{name} ...", end=" ", file=sys.stderr, flush=True)
        start = time.monotonic()
        try:
            run.figures += MEASURES[name](plan)
        except Exception as failure:  # noqa: BLE001 - whatever ends one row, the others are measured
            failures += 1
            what = "" if isinstance(failure, Failed) else f"{type(failure).__name__}: "
            print(f"failed: {what}{failure}", file=sys.stderr)
            continue
        print(f"{time.monotonic() - start:.0f} s", file=sys.stderr)
    run.seconds = round(time.monotonic() - began, 1)
    _tell(run)
    if asked.into is not None:
        put_section(asked.into, "bench", in_markdown(run))
    if asked.json is not None:
        asked.json.write_bytes(save(run))
    return 1 if failures else 0


def _tell(run: Run) -> None:
    machine = run.machine
    print(
        f"{machine['cores']} cores of {machine['processor']}, Linux {machine['kernel']}, Python {machine['python']}, "
        f"load {machine['load'][0]} at the start; medians of {run.rounds} rounds; {run.seconds:.0f} s\n"
    )
    if run.figures:
        print(table(run))
    if run.sides:
        print("\nWho was busy (1.0 is one core):")
        print(sides(run))
    for why in run.skipped:
        print(why)


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="Limit, rival and ours, in turn."
    )
    parser.add_argument(
        "--only", type=_names, default=[*MEASURES], help="such as D1,F2; all without it"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--into", type=Path, help="a Markdown file with a bench section")
    parser.add_argument(
        "--quick", action="store_true", help="a tenth of the load: tries the bench, says little"
    )
    return parser.parse_args()


def _names(text: str) -> list[str]:
    names = [name.strip().upper() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in MEASURES]
    if unknown:
        raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: not one of {', '.join(MEASURES)}")
    return names or [*MEASURES]


if __name__ == "__main__":
    sys.exit(main())
