"""The command line: which modules, how many forks at a time; exit status 1 when a mutant survives
that nobody has judged."""

import argparse
import subprocess
import sys
import time
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.mutants import running
from tests.mutants.operators import CONTROL, controls_of, mutants_of

ROOT: Final = Path(__file__).parents[2]
JUDGED: Final = Path(__file__).with_name("judged.toml")


def main(words: Sequence[str]) -> int:
    """Try all mutants of the modules that are named, or of all that are listed. Returns the exit
    status."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants")
    parser.add_argument(
        "modules", nargs="*", metavar="MODULE", help="as listed in judged.toml; all by default"
    )
    parser.add_argument(
        "--since", metavar="COMMIT", help="only modules that changed after it, or their tests"
    )
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--judged", type=Path, default=JUDGED)
    parser.add_argument(
        "--limit", type=float, default=running.LIMIT, help="seconds beyond what tests take"
    )
    asked = parser.parse_args(words)
    listed = tomllib.loads(asked.judged.read_text("utf-8"))["module"]
    unknown = [one for one in asked.modules if one not in {module["path"] for module in listed}]
    if unknown:
        parser.error(
            f"{asked.judged.name} does not list {', '.join(unknown)}, and so names no tests for it"
        )
    chosen = [one for one in listed if not asked.modules or one["path"] in asked.modules]
    if asked.since is not None:
        changed = _changed_since(asked.since)
        chosen = [one for one in chosen if changed & {one["path"], *one["tests"]}]
    wrong = [_try(one, workers=asked.workers, limit=asked.limit) for one in chosen]
    return int(any(wrong))


def _changed_since(commit: str) -> set[str]:
    """Return the files that differ from a commit, under the names that judged.toml uses."""
    told = subprocess.run(
        ["git", "diff", "--name-only", commit], capture_output=True, text=True, check=True
    )
    files = told.stdout.split()
    return {*files, *(f"chatapp/{file}" for file in files)}


def _try(listed: dict[str, object], *, workers: int, limit: float) -> bool:
    """Try a module; returns whether anything is wrong."""
    path, tests = str(listed["path"]), listed["tests"]
    equivalent = listed.get("equivalent", [])
    assert isinstance(tests, list)
    assert isinstance(equivalent, list)
    judged = {(one["in"], one["change"]) for one in equivalent}
    started, module = time.monotonic(), Path.cwd() / path
    source = module.read_text("utf-8")
    controls, mutants = controls_of(source, str(module)), list(mutants_of(source, str(module)))
    try:
        every = [*controls, *mutants]
        alive = list(running.survivors(module, every, tests, workers=workers, limit=limit))
    except running.Unsound as error:
        print(f"{path}: {error}", flush=True)
        return True
    unnoticed = [one for one in alive if one.mutant.change == CONTROL]
    if len(unnoticed) < len(controls):
        print(f"{path}: its tests fail although {CONTROL}", flush=True)
        return True
    alive = [one for one in alive if one not in unnoticed]
    names = {(one.mutant.where, one.mutant.change) for one in alive}
    new = [one for one in alive if (one.mutant.where, one.mutant.change) not in judged]
    counts = (
        f"{len(mutants) - len(alive)} of {len(mutants)} killed, {len(alive) - len(new)} equivalent"
    )
    print(f"{path}: {counts}, {time.monotonic() - started:.0f} s", flush=True)
    for one in sorted(new, key=lambda one: one.mutant.lines):
        mutant, how = one.mutant, "survived" if one.is_reached else "not reached"
        print(
            f"    {how}: {path}:{mutant.lines[0]} {mutant.where or 'at import'}: {mutant.change}",
            flush=True,
        )
    for where, change in sorted(judged - names):
        print(f"    judged, but killed or gone: {where or 'at import'}: {change}", flush=True)
    return bool(new or judged - names)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
