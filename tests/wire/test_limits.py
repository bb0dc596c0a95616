"""The limits: each is documented and used."""

import ast
import re
from pathlib import Path

from chatapp.wire import limits

SOURCE = Path(limits.__file__)
ROOT = SOURCE.parents[1]


def test_each_has_a_reason_and_somebody_who_keeps_to_it() -> None:
    body = ast.parse(SOURCE.read_text("utf-8")).body
    code = "\n".join(
        path.read_text("utf-8")
        for package in ("wire", "registry", "peer", "commands")
        for path in (ROOT / package).rglob("*.py")
    )
    for place, one in enumerate(body):
        if not isinstance(one, ast.AnnAssign):
            continue
        assert isinstance(one.target, ast.Name)
        reason = body[place + 1] if place + 1 < len(body) else None
        assert isinstance(reason, ast.Expr) and isinstance(reason.value, ast.Constant), (
            one.target.id
        )
        assert len(re.findall(rf"\b{one.target.id}\b", code)) > 1, (
            f"nobody keeps to {one.target.id}"
        )
