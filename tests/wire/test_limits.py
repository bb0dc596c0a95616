"""The limits: each is documented and used."""

import ast
import re
from collections import Counter
from pathlib import Path

from chatapp.wire import limits

SOURCE = Path(limits.__file__)
ROOT = SOURCE.parents[1]


def test_each_has_a_reason_and_somebody_who_keeps_to_it() -> None:
    uses: Counter[str] = Counter()
    for package in ("wire", "registry", "peer", "commands"):
        for path in (ROOT / package).rglob("*.py"):
            uses.update(re.findall(r"\w+", path.read_text("utf-8")))
    body = ast.parse(SOURCE.read_text("utf-8")).body
    for statement, following in zip(body, [*body[1:], None], strict=True):
        if isinstance(statement, ast.AnnAssign):
            assert isinstance(statement.target, ast.Name)
            name = statement.target.id
            assert isinstance(following, ast.Expr), name
            assert isinstance(following.value, ast.Constant), name
            assert uses[name] > 1, f"nobody keeps to {name}"
