"""All changes that can be made to a source file."""

import ast
from copy import deepcopy
from dataclasses import dataclass

_COMPARE = {
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
_ARITHMETIC = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}
_FOR_PEOPLE = {"__repr__", "__str__"}
"""What these return is read by people, as log lines and the texts of errors are."""


@dataclass(frozen=True)
class Mutation:
    """One change: a piece of the source is replaced."""

    path: str
    """From the root of the repository."""
    function: str
    """Its qualified name; empty outside of functions."""
    line: int
    """The first line of the statement."""
    last_line: int
    """The last one, without what it contains: a condition may be run on any of them."""
    begin: int
    end: int
    """In bytes."""
    old: str
    new: str

    def apply(self, source: bytes) -> bytes:
        return source[: self.begin] + self.new.encode() + source[self.end :]

    def __str__(self):
        return f"{self.path}:{self.line} {self.function}: {self.old} → {self.new}"


def mutations(path: str, source: bytes) -> list[Mutation]:
    """Return all changes to a file, in the order of their places."""
    visitor = _Visitor(path, source)
    visitor.visit(ast.parse(source))
    return sorted(visitor.found, key=lambda found: (found.begin, found.end, found.new))


class _Visitor(ast.NodeVisitor):
    def __init__(self, path, source):
        self.found = []
        self._path = path
        self._source = source
        self._starts = [0]
        for line in source.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))
        self._names = []
        self._inside = 0
        self._line = self._last_line = 0

    # --- where to look

    def visit(self, node):
        if isinstance(node, ast.stmt):
            self._line, body = node.lineno, getattr(node, "body", None)
            self._last_line = max(node.lineno, body[0].lineno - 1) if body else node.end_lineno
        return super().visit(node)

    def generic_visit(self, node):
        for name, value in ast.iter_fields(node):
            if name in {"annotation", "returns", "decorator_list", "type_params", "bases"}:
                continue
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    self.visit(child)

    def _named(self, node):
        if node.name in _FOR_PEOPLE:
            return
        self._names.append(node.name)
        self._inside += not isinstance(node, ast.ClassDef)
        self.generic_visit(node)
        self._inside -= not isinstance(node, ast.ClassDef)
        self._names.pop()

    visit_FunctionDef = visit_AsyncFunctionDef = visit_ClassDef = _named  # noqa: N815 - names of `ast`

    def visit_Raise(self, node):
        self._statement(node, "pass")

    def _skip(self, node):
        """Leave what is for people or for type checkers, and what has no position of its own."""

    visit_Assert = visit_JoinedStr = visit_Import = visit_ImportFrom = _skip  # noqa: N815
    visit_MatchValue = visit_MatchSingleton = _skip  # noqa: N815 - a pattern cannot be any expression

    # --- what to change

    def visit_Expr(self, node):
        if isinstance(node.value, ast.Constant):
            return  # a docstring
        if _is_log(node.value):
            return
        self._statement(node, "pass")
        self.generic_visit(node)

    def visit_Assign(self, node):
        if all(isinstance(target, ast.Attribute | ast.Subscript) for target in node.targets):
            self._statement(node, "pass")
        self.generic_visit(node)

    def visit_AugAssign(self, node):
        self._statement(node, "pass")
        self._operator(node, ast.AugAssign)
        self.generic_visit(node)

    def visit_Delete(self, node):
        self._statement(node, "pass")

    def visit_Continue(self, node):
        self._statement(node, "break")

    def visit_Break(self, node):
        self._statement(node, "continue")

    def visit_Return(self, node):
        if node.value is None:
            self._statement(node, "pass")
        elif not (isinstance(node.value, ast.Constant) and node.value.value is None):
            self._replace(node.value, ast.Constant(None))
        self.generic_visit(node)

    def _test(self, node):
        self._replace(node.test, ast.UnaryOp(ast.Not(), node.test))
        self.generic_visit(node)

    visit_If = visit_IfExp = visit_While = _test  # noqa: N815

    def visit_comprehension(self, node):
        for condition in node.ifs:
            self._replace(condition, ast.Constant(True))
        self.generic_visit(node)

    def visit_Compare(self, node):
        for place, operator in enumerate(node.ops):
            changed = deepcopy(node)
            changed.ops[place] = _COMPARE[type(operator)]()
            self._replace(node, changed)
        self.generic_visit(node)

    def visit_BoolOp(self, node):
        changed = deepcopy(node)
        changed.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        self._replace(node, changed)
        self.generic_visit(node)

    def visit_BinOp(self, node):
        self._operator(node, ast.BinOp)
        self.generic_visit(node)

    def visit_UnaryOp(self, node):
        if isinstance(node.op, ast.Not | ast.USub):
            self._replace(node, node.operand)
        self.generic_visit(node)

    def visit_Constant(self, node):
        value = node.value
        if isinstance(value, bool):
            self._replace(node, ast.Constant(not value))
        elif isinstance(value, int | float):
            self._replace(node, ast.Constant(value + 1))

    def visit_Call(self, node):
        if _is_log(node):
            return
        for place, keyword in enumerate(node.keywords):
            if keyword.arg is not None:
                changed = deepcopy(node)
                del changed.keywords[place]
                self._replace(node, changed)
        self.generic_visit(node)

    # --- how

    def _operator(self, node, kind):
        other = _ARITHMETIC.get(type(node.op))
        if other is not None:
            changed = deepcopy(node)
            changed.op = other()
            self._replace(node, changed, statement=kind is ast.AugAssign)

    def _statement(self, node, text):
        self._add(node, ast.unparse(node), text)

    def _replace(self, node, changed, *, statement=False):
        new = ast.unparse(ast.fix_missing_locations(changed))
        self._add(node, ast.unparse(node), new if statement else f"({new})")

    def _add(self, node, old, new):
        begin = self._starts[node.lineno - 1] + node.col_offset
        end = self._starts[node.end_lineno - 1] + node.end_col_offset
        function = ".".join(self._names) if self._inside else ""
        self.found.append(Mutation(self._path, function, self._line, self._last_line, begin, end, old, new))


def _is_log(node):
    """Whether an expression writes a line of the log."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return False
    owner = node.func.value
    name = owner.id if isinstance(owner, ast.Name) else getattr(owner, "attr", "")
    return name.strip("_") in {"log", "logger"}
