"""Rules for all tests: none is empty, every failure can be repeated, and none fails by chance."""

import gc
import logging
import os
import traceback
from asyncio import constants
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from tests.cast.wheel import Built
    from tests.support.nats_server import NatsServer

_FUZZ_EXAMPLES: Final = int(os.environ.get("CHATAPP_EXAMPLES", "5000"))

_QUICK_EXAMPLES: Final = 50
"""The same ones each time: what fails, fails for whoever changed something, and at once. `make
fuzz` draws others, a hundred times as many."""

settings.register_profile(
    "quick",
    deadline=None,
    derandomize=True,
    max_examples=_QUICK_EXAMPLES,
    suppress_health_check=[
        HealthCheck.too_slow
    ],  # which is told by the clock, and so by what else a machine does
)
settings.register_profile(
    "fuzz",
    deadline=None,
    print_blob=True,
    derandomize=False,
    max_examples=_FUZZ_EXAMPLES,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("quick")


def _is_not_about_speed(record: logging.LogRecord) -> bool:
    return "took %.3f seconds" not in str(record.msg)


# asyncio's debug mode checks threads and callbacks. It also notes the stack for each callback, future
# and task: 0.1 ms a piece, half of the processor time of tests with sockets. The second line is for
# those that are made in C.
constants.DEBUG_STACK_DEPTH = 0  # type: ignore[misc]
traceback.extract_stack.__defaults__ = (None, 0)


# asyncio's debug mode logs each step of 0.1 s and more. Tests that read the log must not depend on
# what else a machine does.
logging.getLogger("asyncio").addFilter(_is_not_about_speed)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """A test file that collects nothing fails: an emptied or misspelt test must not pass for a
    green one."""
    report = yield
    if isinstance(collector, pytest.Module) and report.passed and not report.result:
        report.outcome = "failed"
        report.longrepr = f"{collector.nodeid} holds no test"
    return report


def pytest_collection_finish() -> None:
    """Ten thousand tests stay until the end: looking through them for garbage, again and again,
    takes 2 % of the time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def nats_server(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[NatsServer]":
    """A nats-server for all tests of this process. Each takes a cluster name of its own."""
    from tests.support.nats_server import remove, single  # deferred: few tests need it

    server = single(tmp_path_factory.mktemp("nats"))
    yield server
    remove(server)


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> "Built":
    """The wheel and the source distribution of the checkout, the same for all processes."""
    from tests.cast.wheel import build_once  # deferred: few tests need it

    return build_once(tmp_path_factory)
