"""The small faults that can be put into a module, and the module with one of them."""

import ast
import copy
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from types import CodeType
from typing import Final

_COMPARISONS: Final[dict[type[ast.cmpop], type[ast.cmpop]]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_CALCULATIONS: Final[dict[type[ast.operator], type[ast.operator]]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}
_FUNCTIONS: Final = {"min": "max", "max": "min", "any": "all", "all": "any"}
_LOGS: Final = {"_log", "logging"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Mutant:
    """One fault."""

    where: str
    """The function that contains it, as `Class.method`; empty outside functions."""
    change: str
    """The replacement and the original. Together with `where` it identifies the mutant, wherever
    the line moves."""
    lines: tuple[int, int]
    """The first and the last line of the statement that is changed."""
    is_in_function: bool
    """Whether it takes effect when a function is called, not when the module is imported."""
    code: CodeType
    """The whole module."""


CONTROL: Final = "nothing is changed"


@dataclass(frozen=True, slots=True)
class _Spot:
    node: ast.AST
    statement: ast.stmt
    where: str
    lines: tuple[int, int]
    is_in_function: bool


_Change = Callable[[ast.AST], ast.AST | None]
"""Changes a node in place, or returns its replacement."""


def mutants_of(source: str, path: str) -> Iterator[Mutant]:
    """Yield all mutants of a module."""
    tree = ast.parse(source)
    spots = list(_spots(tree))
    seen: Counter[tuple[str, str]] = Counter()
    for number, spot in enumerate(spots):
        for change in _changes(spot.node):
            changed = copy.deepcopy(tree)
            place = list(_spots(changed))[number]
            before, was = _head(place.statement), ast.unparse(place.node)
            new = change(place.node)
            _replace(changed, place.node, new)
            is_whole = place.node is place.statement and new is not None
            after = ast.unparse(new) if is_whole and new is not None else _head(place.statement)
            if before == after:  # inside of a case, say
                before, after = was, ast.unparse(new or place.node)
            text = f"{before} -> {after}"
            seen[spot.where, text] += 1
            count = seen[spot.where, text]
            code = compile(ast.fix_missing_locations(changed), path, "exec", dont_inherit=True)
            named = text if count == 1 else f"{text} #{count}"
            yield Mutant(spot.where, named, spot.lines, spot.is_in_function, code)


def controls_of(source: str, path: str) -> list[Mutant]:
    """Return the unchanged module, once as if a function and once as if something at import was
    changed. No test may notice: otherwise those that notice mutants prove nothing."""
    code = compile(source, path, "exec", dont_inherit=True)
    every_line = (1, source.count("\n") + 1)
    return [Mutant("", CONTROL, every_line, inside, code) for inside in (True, False)]


def _head(statement: ast.stmt) -> str:
    """Return a statement as text, without the blocks under it."""
    if not any(_blocks(statement)):
        return " ".join(ast.unparse(statement).split())
    bare = copy.copy(statement)
    for name, empty in (
        ("body", [ast.Pass()]),
        ("orelse", []),
        ("finalbody", []),
        ("handlers", []),
    ):
        if hasattr(bare, name):
            setattr(bare, name, empty)
    if isinstance(bare, ast.Match):
        bare.cases = []
    return ast.unparse(bare).strip().splitlines()[0].removesuffix(":")


def _spots(tree: ast.Module) -> Iterator[_Spot]:
    """Yield every node that could be changed, in order."""
    for statement in tree.body:
        yield from _in_statement(statement, "", is_in_function=False)


def _in_statement(statement: ast.stmt, where: str, *, is_in_function: bool) -> Iterator[_Spot]:
    if isinstance(statement, ast.Assert | ast.Import | ast.ImportFrom) or _is_text(statement):
        return
    inner = [one for block in _blocks(statement) for one in block]
    last = min((one.lineno for one in inner), default=statement.end_lineno or statement.lineno)
    first = statement.lineno
    lines = (first, max(first, last - 1) if inner else last)
    yield _Spot(statement, statement, where, lines, is_in_function)
    for expression in _expressions(statement):
        for node in _in_expression(expression):
            yield _Spot(node, statement, where, lines, is_in_function)
    if isinstance(statement, Function):
        is_in_function = True
    if isinstance(statement, Function | ast.ClassDef):
        where = f"{where}.{statement.name}" if where else statement.name
    for one in inner:
        yield from _in_statement(one, where, is_in_function=is_in_function)


def _in_expression(expression: ast.expr) -> Iterator[ast.AST]:
    """Yield the nodes of an expression, except messages for people."""
    if isinstance(expression, ast.JoinedStr):
        return
    yield expression
    for child in ast.iter_child_nodes(expression):
        if isinstance(child, ast.expr):
            yield from _in_expression(child)
        elif isinstance(child, ast.keyword) and child.arg != "strict":  # zip's, which asserts
            yield from _in_expression(child.value)
        elif isinstance(child, ast.comprehension):
            for one in (child.iter, *child.ifs):
                yield from _in_expression(one)


def _blocks(statement: ast.stmt) -> Iterator[list[ast.stmt]]:
    for name in ("body", "orelse", "finalbody"):
        yield getattr(statement, name, [])
    for handler in getattr(statement, "handlers", []):
        yield handler.body
    for case in getattr(statement, "cases", []):
        yield case.body


def _expressions(statement: ast.stmt) -> Iterator[ast.expr]:
    """Yield the expressions in the statement itself, without annotations."""
    if isinstance(statement, Function):
        yield from statement.args.defaults
        yield from (default for default in statement.args.kw_defaults if default is not None)
        return
    if isinstance(statement, ast.ClassDef):
        return
    if isinstance(statement, ast.AnnAssign):
        if statement.value is not None:
            yield statement.value
        return
    for child in ast.iter_child_nodes(statement):
        if isinstance(child, ast.expr):
            yield child
        elif isinstance(child, ast.withitem):
            yield child.context_expr
        elif isinstance(child, ast.match_case) and child.guard is not None:
            yield child.guard


def _changes(node: ast.AST) -> list[_Change]:
    match node:
        case ast.Compare():
            return [partial(_compare_otherwise, place=place) for place in range(len(node.ops))]
        case ast.BoolOp():
            return [_swap_and_or]
        case ast.UnaryOp(op=ast.Not()):
            return [_drop_not]
        case ast.BinOp() if type(node.op) in _CALCULATIONS and not _is_text(node.left):
            return [_calculate_otherwise]
        case ast.Constant(value=bool() | int() | float()):
            return [_change_constant]
        case ast.Call(func=ast.Name(id=name)) if name in _FUNCTIONS:
            return [_call_otherwise]
        case ast.If() | ast.While() | ast.IfExp():
            is_changed_inside = isinstance(
                node.test, ast.Compare | ast.BoolOp | ast.UnaryOp | ast.Constant
            )
            return [] if is_changed_inside else [_negate]
        case ast.Break():
            return [lambda one: ast.copy_location(ast.Continue(), one)]
        case ast.Continue():
            return [lambda one: ast.copy_location(ast.Break(), one)]
        case ast.Expr(value=ast.Call() | ast.Await()) if not _is_log(node):
            return [_drop]
        case ast.AugAssign():
            return [_drop]
        case ast.Assign(targets=targets) if not any(
            isinstance(target, ast.Name) for target in targets
        ):
            return [_drop]
        case _:
            return []


def _compare_otherwise(node: ast.AST, *, place: int) -> None:
    assert isinstance(node, ast.Compare)
    node.ops[place] = _COMPARISONS[type(node.ops[place])]()


def _swap_and_or(node: ast.AST) -> None:
    assert isinstance(node, ast.BoolOp)
    node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()


def _drop_not(node: ast.AST) -> ast.AST:
    assert isinstance(node, ast.UnaryOp)
    return node.operand


def _calculate_otherwise(node: ast.AST) -> None:
    assert isinstance(node, ast.BinOp)
    node.op = _CALCULATIONS[type(node.op)]()


def _change_constant(node: ast.AST) -> None:
    assert isinstance(node, ast.Constant)
    if isinstance(node.value, bool):
        node.value = not node.value
    elif isinstance(node.value, int | float):
        node.value += 1


def _call_otherwise(node: ast.AST) -> None:
    assert isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    node.func.id = _FUNCTIONS[node.func.id]


def _negate(node: ast.AST) -> None:
    assert isinstance(node, ast.If | ast.While | ast.IfExp)
    node.test = ast.UnaryOp(op=ast.Not(), operand=node.test)


def _drop(node: ast.AST) -> ast.AST:
    assert isinstance(node, ast.stmt)
    return ast.copy_location(ast.Pass(), node)


def _replace(tree: ast.AST, old: ast.AST, new: ast.AST | None) -> None:
    if new is None:
        return
    for parent in ast.walk(tree):
        for name, value in ast.iter_fields(parent):
            if value is old:
                setattr(parent, name, new)
                return
            if isinstance(value, list) and any(one is old for one in value):
                value[:] = [new if one is old else one for one in value]
                return


def _is_text(node: ast.AST) -> bool:
    """Whether it is a string constant, such as a docstring."""
    value = node.value if isinstance(node, ast.Expr) else node
    return isinstance(value, ast.JoinedStr) or (
        isinstance(value, ast.Constant) and isinstance(value.value, str)
    )


def _is_log(node: ast.Expr) -> bool:
    call = node.value
    return (
        isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and isinstance(call.func.value, ast.Name)
        and call.func.value.id in _LOGS
    )
