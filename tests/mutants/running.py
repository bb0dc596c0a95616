"""Runs the tests of a module once for each mutant of it, each time in a forked process.

A process that has collected the tests is forked for each mutant, gives the functions of the module
their changed code, and runs only the tests that reach the changed lines: a fraction of a second
each. What happens at import (a constant, a default) needs a process that imports everything again.
"""

import gc
import importlib.machinery
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.abc import MetaPathFinder
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Final

import coverage
import pytest

from tests.mutants.operators import Mutant

LIMIT: Final = 20.0
"""Seconds that a mutant may take beyond three times what its tests take without it: an endless loop
is noticed so."""

IMPORT_SECONDS: Final = 60.0
"""Seconds that it may take to import everything on a busy machine."""

BASELINE_LIMIT: Final = 600.0
"""Seconds that all tests of a module may take."""

_ARGUMENTS: Final = (
    *("-p", "no:cacheprovider", "-p", "no:xdist", "-q"),
    *("-o", "timeout=0", "-o", "faulthandler_timeout=0"),
)
_SURVIVED: Final = 0
_KILLED: Final = 1
_NEEDS_IMPORT: Final = 2
"""The changed function uses other variables of the function around it: its module must be imported
anew."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """The behaviour of a module's tests without a fault."""

    by_line: dict[int, list[str]]
    """The tests that reach a line of a function."""
    seconds: dict[str, float]
    failed: list[str]

    def reaching(self, mutant: Mutant) -> list[str]:
        """The tests that reach a mutant, quickest first."""
        first, last = mutant.lines
        found = {one for line in range(first, last + 1) for one in self.by_line.get(line, ())}
        return sorted(found, key=self.seconds.__getitem__)


@dataclass(frozen=True, slots=True)
class Survivor:
    """A mutant that no test notices."""

    mutant: Mutant
    is_reached: bool
    """Whether any test reaches it at all."""


class Unsound(Exception):
    """The tests fail without any fault, or there are none."""


def survivors(
    module: Path, mutants: Sequence[Mutant], tests: Sequence[str], *, workers: int, limit: float
) -> Iterator[Survivor]:
    """The mutants of a module that no test notices. `limit`: seconds that a mutant may take beyond
    three times what its tests take without it. Raises Unsound."""
    reads, writes = os.pipe()
    if (child := os.fork()) == 0:
        os.close(reads)
        _mute()
        host = _Host(module, mutants, workers=workers, limit=limit, answers=writes)
        os._exit(int(pytest.main([*_ARGUMENTS, *tests], plugins=[host])))
    os.close(writes)
    with open(reads, encoding="utf-8") as answers:
        told = [json.loads(line) for line in answers]
    os.waitpid(child, 0)
    if not told or "error" in told[0]:
        raise Unsound(told[0]["error"] if told else "pytest ended without a word")
    for one in told:
        if "survived" in one:
            yield Survivor(mutants[one["survived"]], one["is_reached"])
    seconds: dict[str, float] = told[0]["seconds"]
    unfit = [mutants[number] for number in told[-1]["unfit"]]
    quickest_first = sorted(seconds, key=seconds.__getitem__)
    longest = limit + IMPORT_SECONDS + 3 * sum(seconds.values())

    def run(place: int) -> int:
        return _import_and_run(module, unfit[place], quickest_first)

    for place, result in _forked(len(unfit), run, lambda _: longest, workers=workers):
        if result == _SURVIVED:
            yield Survivor(unfit[place], is_reached=True)


class _Host:
    """A pytest plugin that runs the collected tests in a fork for each mutant, and not once as
    usual."""

    def __init__(
        self, module: Path, mutants: Sequence[Mutant], *, workers: int, limit: float, answers: int
    ) -> None:
        self._module = module
        self._mutants = mutants
        self._workers = workers
        self._limit = limit
        self._answers = answers

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Tell the seconds of each test, then each survivor, then the mutants that need an
        import."""
        baseline = _baseline(self._module, session)
        if baseline.failed or not session.items:
            what = ", ".join(baseline.failed) or "nothing is collected"
            self._tell(error=f"fails without a fault: {what}")
            return True
        self._tell(seconds=baseline.seconds)
        items = {item.nodeid: item for item in session.items}
        functions = functions_of(self._module)
        inside = [number for number, one in enumerate(self._mutants) if one.is_in_function]
        unfit = [number for number, one in enumerate(self._mutants) if not one.is_in_function]
        reaching = [baseline.reaching(self._mutants[number]) for number in inside]

        def run(place: int) -> int:
            if not put_into(functions, self._mutants[inside[place]].code):
                return _NEEDS_IMPORT
            return (
                _KILLED if _fails(session, [items[one] for one in reaching[place]]) else _SURVIVED
            )

        def limit(place: int) -> float:
            return self._limit + 3 * sum(baseline.seconds[one] for one in reaching[place])

        for place, result in _forked(len(inside), run, limit, workers=self._workers):
            if result == _NEEDS_IMPORT:
                unfit.append(inside[place])
            elif result == _SURVIVED:
                self._tell(survived=inside[place], is_reached=bool(reaching[place]))
        self._tell(unfit=unfit)
        return True

    def _tell(self, **what: object) -> None:
        os.write(self._answers, json.dumps(what).encode() + b"\n")


def functions_of(module: Path) -> list[FunctionType]:
    """Return all functions of a module that exist, whatever refers to them."""
    functions = (thing for thing in gc.get_objects() if type(thing) is FunctionType)
    return [function for function in functions if function.__code__.co_filename == str(module)]


def put_into(functions: Iterable[FunctionType], code: CodeType) -> bool:
    """Replace the code of a module's functions by that of `code`; False if one of them cannot be
    replaced."""
    new = {(one.co_qualname, one.co_firstlineno): one for one in _inner_codes(code)}
    for function in functions:
        found = new.get((function.__code__.co_qualname, function.__code__.co_firstlineno))
        if found is None or found.co_freevars != function.__code__.co_freevars:
            return False
        function.__code__ = found
    return True


def _inner_codes(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _inner_codes(constant)


def _baseline(module: Path, session: pytest.Session) -> Baseline:
    """Run all tests once, in a fork, and note which lines of the module each reaches."""
    reads, writes = os.pipe()
    if (child := os.fork()) == 0:
        signal.setitimer(signal.ITIMER_REAL, BASELINE_LIMIT)
        seconds: dict[str, float] = {}
        failed: list[str] = []
        watcher = coverage.Coverage(
            data_file=None, include=[str(module.resolve())], config_file=False
        )
        watcher.start()
        for item in session.items:
            watcher.switch_context(item.nodeid)
            started = time.monotonic()
            if _fails(session, [item]):
                failed.append(item.nodeid)
            seconds[item.nodeid] = time.monotonic() - started
        watcher.stop()
        by_line = watcher.get_data().contexts_by_lineno(str(module.resolve()))
        with open(writes, "w", encoding="utf-8") as answer:
            json.dump({"by_line": by_line, "seconds": seconds, "failed": failed}, answer)
        os._exit(0)
    os.close(writes)
    with open(reads, encoding="utf-8") as answer:
        text = answer.read()
    os.waitpid(child, 0)
    if not text:
        return Baseline({}, {}, [f"the tests did not end within {BASELINE_LIMIT:.0f} s"])
    told = json.loads(text)
    by_line = {
        int(line): [context for context in contexts if context]
        for line, contexts in told["by_line"].items()
    }
    return Baseline(by_line, told["seconds"], told["failed"])


def _fails(session: pytest.Session, items: Sequence[pytest.Item]) -> bool:
    """Run tests until one fails."""
    session.testsfailed = 0
    for place, item in enumerate(items):
        following = items[place + 1] if place + 1 < len(items) else None
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.testsfailed:
            return True
    return False


def _import_and_run(module: Path, mutant: Mutant, tests: Iterable[str]) -> int:
    """Import everything, the mutant in its module's place, and run these tests."""
    name = ".".join(module.relative_to(Path.cwd()).with_suffix("").parts).removesuffix(".__init__")
    sys.meta_path.insert(0, _Finder(name, mutant.code))
    status = pytest.main([*_ARGUMENTS, "-x", *tests])
    return _SURVIVED if status is pytest.ExitCode.OK else _KILLED


class _Finder(MetaPathFinder):
    """An importer that loads one module with other code than its file."""

    def __init__(self, name: str, code: CodeType) -> None:
        self._name = name
        self._code = code

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._name:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        assert spec is not None
        assert spec.origin is not None
        spec.loader = _Loader(fullname, spec.origin, self._code)
        return spec


class _Loader(importlib.machinery.SourceFileLoader):
    def __init__(self, name: str, path: str, code: CodeType) -> None:
        super().__init__(name, path)
        self._code = code

    def get_code(self, fullname: str) -> CodeType:
        return self._code


def _forked(
    count: int, run: Callable[[int], int], limit: Callable[[int], float], *, workers: int
) -> Iterator[tuple[int, int]]:
    """Run `run(0)`, `run(1)`, ... each in a fork, so many at a time, and yield what each returns. A
    fork that takes longer than its limit, or dies, has noticed the fault."""
    under_way: dict[int, int] = {}
    begun = 0
    while begun < count or under_way:
        while begun < count and len(under_way) < workers:
            if (child := os.fork()) == 0:
                _mute()
                signal.signal(signal.SIGALRM, signal.SIG_DFL)
                signal.setitimer(signal.ITIMER_REAL, limit(begun))
                os._exit(_outcome(run, begun))
            under_way[child] = begun
            begun += 1
        child, status = os.wait()
        if child in under_way:
            yield under_way.pop(child), os.WEXITSTATUS(status) if os.WIFEXITED(status) else _KILLED


def _outcome(run: Callable[[int], int], number: int) -> int:
    try:
        return run(number)
    except BaseException:  # noqa: BLE001  however a fault shows, it has been noticed
        return _KILLED


def _mute() -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
