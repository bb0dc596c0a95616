"""What is said when an extra is not installed leads to this program, and to no other that has its
name in an index."""

import re
import subprocess
import tomllib

from chatapp.peer.words.full import NOT_INSTALLED
from chatapp.registry.cluster.settings import ClusterProblem, ClusterUnavailable
from chatapp.wire.errors import needs_extra
from tests.cast.program import CHECKOUT


def test_a_missing_extra_is_installed_from_a_checkout() -> None:
    said = "needs the extra full: in a checkout of ChatApp, run pipx install --force '.[lan,full]'"
    assert needs_extra("full") == said
    assert said == NOT_INSTALLED
    assert (
        str(ClusterUnavailable(ClusterProblem.NO_LIBRARY)) == f"--cluster {needs_extra('cluster')}"
    )


def test_every_extra_that_is_advised_exists_and_none_comes_from_an_index() -> None:
    declared = tomllib.loads((CHECKOUT / "pyproject.toml").read_text("utf-8"))["project"]
    tracked = subprocess.run(
        ["git", "ls-files", "-z", "*.py", "*.md", "*.toml", "Makefile", "contrib"],
        cwd=CHECKOUT,
        capture_output=True,
        check=True,
        text=True,
    ).stdout.split("\0")
    texts = {name: (CHECKOUT / name).read_text("utf-8") for name in tracked if name}
    assert [
        name
        for name, text in texts.items()
        if re.search(r"pipx? install [^\n]{0,20}chatapp\[", text)
    ] == []
    advised = {
        extra
        for text in texts.values()
        for extras in re.findall(r"pipx? install[^\n]{0,20}\'\.\[([a-z,]+)\]\'", text)
        for extra in extras.split(",")
    }
    called = {
        extra
        for name, text in texts.items()
        if name.endswith(".py") and not name.startswith("tests")
        for extra in re.findall(r"""needs_extra\(["\']([a-z]+)["\']\)""", text)
    }
    assert called == {"cluster", "full", "metrics", "web"}
    assert advised | called <= declared["optional-dependencies"].keys()
    assert "lan" in advised
