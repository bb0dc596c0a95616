"""The command `python -m fuzz [--seconds N] [--at-once N] [target ...]`: each target in its own
process.

With atheris each is guided by what its bytes reach; without it valid bytes are changed at random.
What broke something is kept in `fuzz/found`, where `make test` tries it from then on, and the exit
status is 1. What reached something new is kept in `.fuzz`, where the next run begins.
"""

import argparse
import importlib.util
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

SECONDS: Final = 600
AT_ONCE: Final = 2
LARGEST: Final = 4_096
CORPUS: Final = Path(".fuzz")
_DONE: Final = re.compile(r"stat::number_of_executed_units: +(\d+)")
_COVERED: Final = re.compile(r"cov: (\d+)")


def guided(name: str, seconds: int) -> None:
    """Fuzz with atheris, which ends the process."""
    import atheris

    with atheris.instrument_imports(include=["chatapp"]):
        from fuzz.mutation import mutated
        from fuzz.targets import FOUND, Running, samples
    running, valid = Running(name), samples(name)
    grown = CORPUS / name
    grown.mkdir(parents=True, exist_ok=True)
    for number, sample in enumerate(valid):
        (grown / f"seed{number}").write_bytes(sample[:LARGEST])

    def take(data: bytes) -> None:
        try:
            running.take(data)
        except Exception:
            print(f"kept as {running.keep_finding()}", file=sys.stderr)
            raise

    def change(data: bytes, largest: int, seed: int) -> bytes:
        chance = random.Random(seed)
        if chance.random() < 0.5:
            return mutated(data, chance, valid)[:largest]
        return bytes(atheris.Mutate(data, largest))

    (FOUND / name).mkdir(parents=True, exist_ok=True)
    options = [
        f"-max_total_time={seconds}",
        "-timeout=20",
        "-rss_limit_mb=1024",
        "-print_final_stats=1",
    ]
    options += [f"-max_len={LARGEST}", f"-artifact_prefix={FOUND / name}/raw-"]
    atheris.Setup(["fuzz", str(grown), *options], take, custom_mutator=change)
    atheris.Fuzz()


def unguided(name: str, seconds: int) -> None:
    """Fuzz without atheris: mutated copies of valid bytes."""
    from fuzz.mutation import mutated
    from fuzz.targets import Running, samples

    chance, begun, count = random.Random(), time.monotonic(), 0
    running, valid = Running(name), samples(name)
    while time.monotonic() < begun + seconds:
        count += 1
        try:
            running.take(mutated(chance.choice(valid), chance, valid))
        except Exception:
            print(f"kept as {running.keep_finding()}", file=sys.stderr)
            raise
    print(f"stat::number_of_executed_units: {count}")


def run(name: str, seconds: int) -> bool:
    """Run one target in its own process, and print its row of the table; returns whether nothing
    broke."""
    command = [sys.executable, "-m", "fuzz", "--inside", name, "--seconds", str(seconds)]
    begun = time.monotonic()
    # What it leaves there goes with it: a fuzzer ends its process without a word. In memory where
    # that can be had.
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        own = {**os.environ, "TMPDIR": folder}
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", check=False, env=own
        )
    took = time.monotonic() - begun
    said = done.stdout + done.stderr
    cases = sum(int(count) for count in _DONE.findall(said))
    covered = _COVERED.findall(said)
    print(
        f"| {name:9} | {cases:11,} | {cases / took:9,.0f} | {took:5.0f} s | {covered[-1] if covered else '-':>6} |"
        f" {'nothing' if done.returncode == 0 else 'BROKEN'} |",
        flush=True,
    )
    if done.returncode:
        print(said[-4_000:], file=sys.stderr)
    return done.returncode == 0


def main() -> int:
    """Run the command line."""
    asked = argparse.ArgumentParser(prog="python -m fuzz")
    asked.add_argument("targets", nargs="*")
    asked.add_argument("--seconds", type=int, default=SECONDS, help="for each target")
    asked.add_argument(
        "--at-once", type=int, default=AT_ONCE, help="targets that run beside each other"
    )
    asked.add_argument("--inside", help=argparse.SUPPRESS)
    words = asked.parse_args()
    is_guided = importlib.util.find_spec("atheris") is not None
    if words.inside:
        (guided if is_guided else unguided)(words.inside, words.seconds)
        return 0
    from fuzz.targets import TARGETS

    unknown = set(words.targets) - set(TARGETS)
    if unknown:
        asked.error(f"no target {', '.join(sorted(unknown))}; there are {', '.join(TARGETS)}")
    names = words.targets or list(TARGETS)
    minutes = -(-len(names) // words.at_once) * words.seconds / 60
    how = (
        "guided by atheris"
        if is_guided
        else "atheris is not installed: changed copies of valid bytes"
    )
    print(f"{how}; {len(names)} targets take {minutes:.0f} min\n")
    print(
        "| target | cases | a second | time | edges | broke |\n|---|---|---|---|---|---|",
        flush=True,
    )
    with ThreadPoolExecutor(words.at_once) as pool:
        are_whole = list(pool.map(lambda name: run(name, words.seconds), names))
    return 0 if all(are_whole) else 1


if __name__ == "__main__":
    sys.exit(main())
