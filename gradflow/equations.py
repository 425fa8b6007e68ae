"""A cell's equations, read from its source: each line of `step`, `partials` and `step_back` as a textbook writes it.

The syntax tree is translated, so that an equation cannot differ from the line that computes it. What no line of a cell says
itself, it says elsewhere in the code: which slot is whose pre-activation in its `input_rows` and `state_rows`, what a slot's
local derivative is a derivative of in the line of `step_back` that multiplies it, what is added at each step in the two loops.
"""

import ast
import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from textwrap import dedent
from typing import Any

from gradflow.blocks import block_loop
from gradflow.cells import Cell
from gradflow.cells.cell import Product
from gradflow.unroll import forward_loop

PARTS = {"forward": "step", "local": "partials", "back": "step_back"}
ARITHMETIC = {"np.multiply": ast.Mult(), "np.add": ast.Add(), "np.subtract": ast.Sub()}
OPERATORS = {ast.Mult: r" \odot ", ast.Add: " + ", ast.Sub: " - "}
FUNCTIONS = {
    "sigmoid": r"\sigma",
    "sigmoid_slope": r"\sigma'",
    "self.phi.value": r"\varphi",
    "self.phi.slope": r"\varphi'",
}


@dataclass(frozen=True)
class Equation:
    """One equality, in LaTeX; `target` is the Python expression that holds its left-hand side once the line has run."""

    symbol: str
    latex: str
    target: str


@dataclass(frozen=True)
class Line:
    """One line of source with what it says; a line that only hands on what others computed has no equations."""

    part: str  # a key of PARTS
    module: str
    number: int
    source: str
    equations: tuple[Equation, ...]


@lru_cache(maxsize=64)
def lines(cell: Cell) -> tuple[Line, ...]:
    """All lines of one step forward and back, in the order in which they run; ValueError on one that has no equation."""
    return tuple(line for part in PARTS for line in part_lines(cell, part))


def part_lines(cell: Cell, part: str) -> Iterator[Line]:
    notation = Notation(cell, part)
    if part == "forward":
        yield found_line(forward_loop, part, lambda s: ast.unparse(s).startswith("multiply("), notation)
    method = getattr(type(cell), PARTS[part])
    for statement in syntax(method).body:
        yield line_of(method, part, statement, notation)
    if part == "back":
        yield found_line(block_loop, part, lambda s: ast.unparse(s).startswith("dh_before +="), notation)


@lru_cache(maxsize=64)
def syntax(function: Callable) -> ast.FunctionDef:
    """A function's syntax tree."""
    (tree,) = ast.parse(dedent(inspect.getsource(function))).body
    assert isinstance(tree, ast.FunctionDef)
    return tree


def found_line(function: Callable, part: str, is_it: Callable[[ast.stmt], bool], notation: "Notation") -> Line:
    """The one line of a loop that belongs to a step's equations."""
    (statement,) = (s for s in ast.walk(syntax(function)) if isinstance(s, ast.stmt) and is_it(s))
    return line_of(function, part, statement, notation)


def line_of(function: Callable, part: str, statement: ast.stmt, notation: "Notation") -> Line:
    text, first = inspect.getsourcelines(function)
    source = ast.get_source_segment(dedent("".join(text)), statement)
    assert source is not None
    return Line(part, function.__module__, first + statement.lineno - 1, source, notation.equations(statement))


class Notation:
    """How one part of a cell writes its names, line after line: an assignment may give a name another meaning."""

    def __init__(self, cell: Cell, part: str) -> None:
        self.cell, self.part = cell, part
        self.slots = [pre_activation(cell, k) for k in range(cell.slots)]
        self.gates = range(cell.slots)[cell.sigmoids]
        method = getattr(type(cell), PARTS[part])
        products = [name for name, kind in inspect.get_annotations(method).items() if kind == Product]
        first, late = cell.early_slots
        rows = [range(first, late), range(late, cell.slots)]
        # forward only the late rows wait for the cell; back come the rows that act at once, then the late ones
        self.products = dict(zip(products, rows[1:] if part == "forward" else rows, strict=False))
        self.names, self.totals = self.meanings()

    def meanings(self) -> tuple[dict[str, str], dict[str, str]]:
        """What Python expressions mean at the start, and what those mean that have been added to."""
        a = {f"a[{k}]": slot for k, slot in enumerate(self.slots)}
        if self.part == "forward":
            return {**a, "h": "h_{t-1}", "c": "c_{t-1}", "h_next": "h_t", "c_next": "c_t"}, {}
        fed = fed_by_slot(self.cell)
        if lacking := [k for k in range(self.cell.slots) if k not in fed]:
            raise ValueError(f"step_back must multiply every slot's local derivative, got none for da[{lacking[0]}]")
        local = {f"local[{k}]": derivative(fed[k], slot) for k, slot in enumerate(self.slots)}
        if self.part == "local":
            states = {f"{s}[{rows}]": f"{s}_{t}" for s in "hc" for rows, t in ((":-1", "{t-1}"), ("1:", "t"))}
            return {**a, **local, **states}, {}
        from_here = {f"d{s}_before": part_of(derivative("L", f"{s}_{{t-1}}"), "t") for s in "hc"}
        before = {"dh": derivative("L", "h_t"), "dc": part_of(derivative("L", "c_t"), "t+1"), **from_here, **local}
        direct = part_of(derivative("L", "h_{t-1}"), r"\text{direct}")
        total = {f"da[{k}]": derivative("L", slot) for k, slot in enumerate(self.slots)}
        totals = {"dc": derivative("L", "c_t"), "dh_before": derivative("L", "h_{t-1}")}
        return {**before, **total, "arriving[t]": direct}, totals

    def equations(self, statement: ast.stmt) -> tuple[Equation, ...]:
        """What a statement says."""
        pairs: list[tuple[ast.expr, ast.expr]] = []
        match statement:
            case ast.Expr(ast.Call(func=ast.Name("multiply"))):
                return tuple(Equation(a, f"{a} = {self.affine(k)}", f"slots[{k}]") for k, a in enumerate(self.slots))
            case ast.Expr(ast.Call(ast.Name("sigmoid"), [ast.Name("a_gates"), ast.Name("gates")])):
                pairs = [(ast.Name(self.cell.saves[k]), called("sigmoid", ast.Name(f"a[{k}]"))) for k in self.gates]
            case ast.Expr(ast.Call(function, [*operands, target])):
                pairs = self.pairs(target, ast.Call(function, operands, []))
            case ast.Assign([ast.Tuple(names)], ast.Name("a")):
                alone = [k for k in range(self.cell.slots) if k not in self.gates]
                of_slot = names[len(names) - len(alone) :]  # after the gates' block, if there is one
                self.names |= {ast.unparse(name): self.slots[k] for name, k in zip(of_slot, alone, strict=True)}
            case ast.Assign(_, ast.Name("saved")):
                pass
            case ast.Assign([target], value):
                pairs = self.pairs(target, value)
            case ast.AugAssign(target, operator, value):
                added = [(slot, ast.BinOp(slot, operator, v)) for slot, v in self.pairs(target, value)]
                return tuple(self.equation(slot, v, self.totals.get(ast.unparse(slot))) for slot, v in added)
            case _:
                raise ValueError(f"a cell's line must be an assignment, got {ast.unparse(statement)}")
        return tuple(self.equation(target, value) for target, value in pairs)

    def equation(self, target: ast.expr, value: ast.expr, total: str | None = None) -> Equation:
        name = ast.unparse(target).removesuffix("[...]")
        before, right = self.names.get(name), self.tex(value)
        after = total or before or symbol(name)
        self.names[name] = after
        in_place = before == after and right.startswith(f"{before} ")
        equals = r"\leftarrow" if in_place else "="
        return Equation(after, f"{after} {equals} {right}", name)

    def pairs(self, target: ast.expr, value: ast.expr) -> list[tuple[ast.expr, ast.expr]]:
        """An assignment taken apart: one left-hand side each, what is thrown away left out."""
        value = self.resolved(value)
        if isinstance(target, ast.Tuple):
            return [
                pair
                for one, part in zip(target.elts, self.parts(value), strict=True)
                if ast.unparse(one) != "_"
                for pair in self.pairs(one, part)
            ]
        return [(slot, self.at(k, value)) for k, slot in enumerate(slots_in(self.cell, target))]

    def at(self, k: int, value: ast.expr) -> ast.expr:
        """The k-th of what a range of slots is assigned, where the value is such a range times something."""
        match value:
            case ast.BinOp(ast.Subscript(_, ast.Slice()) | ast.Name("local") as slots, operator, right):
                return ast.BinOp(slots_in(self.cell, slots)[k], operator, right)
        return value

    def parts(self, value: ast.expr) -> list[ast.expr]:
        """What several names are assigned from, one by one."""
        match value:
            case ast.Tuple(parts):
                return parts
            case ast.Call(ast.Name("sigmoid" | "sigmoid_slope" as function), [slots, *_]):
                return [called(function, slot) for slot in slots_in(self.cell, slots)]
        raise ValueError(f"several names must be assigned from a tuple or from sigmoids, got {ast.unparse(value)}")

    def resolved(self, value: ast.expr) -> ast.expr:
        """The expression for this cell's options: sums as sums, its own one-line methods written out, conditions decided."""
        match value:
            case ast.Call(function, [left, right, *_]) if ast.unparse(function) in ARITHMETIC:
                return ast.BinOp(left, ARITHMETIC[ast.unparse(function)], right)
            case ast.Call(ast.Attribute(ast.Name("self"), method), arguments):
                tree = syntax(getattr(type(self.cell), method))
                given = dict(zip([a.arg for a in tree.args.args[1:]], arguments, strict=True))
                (result,) = (s.value for s in tree.body if isinstance(s, ast.Return))
                assert result is not None
                return Given(given).visit(self.resolved(ast.parse(ast.unparse(result), mode="eval").body))
            case ast.Call(ast.Name("complement"), [_, s]):
                return ast.BinOp(ast.Name("ONE"), ast.Sub(), s)
            case ast.IfExp(test, body, orelse):
                chosen = eval(compile(ast.Expression(test), "<test>", "eval"), {"self": self.cell, "scaled": False})
                return body if chosen else orelse
        return value

    def tex(self, node: ast.expr) -> str:
        """An expression in LaTeX; ValueError where there is no way to write it."""
        node = self.resolved(node)
        known = self.names.get(ast.unparse(node))
        if known is not None:
            return known
        match node:
            case ast.Name(name):
                return "1" if name == "ONE" else symbol(name)
            case ast.Constant(int(value)):
                return str(value)
            case ast.BinOp(left, operator, right) if type(operator) in OPERATORS:
                tight = isinstance(operator, ast.Mult)
                sides = self.bracketed(left, tight), self.bracketed(right, tight or isinstance(operator, ast.Sub))
                return OPERATORS[type(operator)].join(sides)
            case ast.Call(ast.Name(name), [operand, *_]) if name in self.products:
                return self.matrix(name, operand)
            case ast.Call(function, [operand, *_]) if ast.unparse(function) in FUNCTIONS:
                return rf"{FUNCTIONS[ast.unparse(function)]}({self.tex(operand)})"
        raise ValueError(f"there must be a way to write it as an equation, got {ast.unparse(node)}")

    def bracketed(self, node: ast.expr, tight: bool) -> str:
        node = self.resolved(node)
        is_sum = isinstance(node, ast.BinOp) and not isinstance(node.op, ast.Mult)
        return f"({self.tex(node)})" if tight and is_sum else self.tex(node)

    def matrix(self, name: str, operand: ast.expr) -> str:
        """A product with W_hh's rows, or with their transpose, gate by gate."""
        gates = {k: self.cell.state_rows[k - self.cell.early_slots[0]] for k in self.products[name]}
        if self.part == "forward":
            return " + ".join(rf"W_{{h{gate}}} ({self.tex(operand)})" for gate in gates.values())
        slots = slots_in(self.cell, operand)
        if len(slots) != len(gates):
            raise ValueError(f"a product with W_hhᵀ must be of the slots that W_hh feeds, got {ast.unparse(operand)}")
        terms = zip(gates.values(), slots, strict=True)
        return " + ".join(rf"W_{{h{gate}}}^\top {self.tex(slot)}" for gate, slot in terms)

    def affine(self, k: int) -> str:
        """What the one product before the step puts into slot k; a late row's product waits for `step`."""
        first, late = self.cell.early_slots
        terms = []
        if k < len(self.cell.input_rows):
            gate = self.cell.input_rows[k]
            terms += [f"W_{{i{gate}}} x_t", f"b_{{i{gate}}}"]
        if k >= first:
            gate = self.cell.state_rows[k - first]
            terms += [f"W_{{h{gate}}} h_{{t-1}}"] * (k < late) + [f"b_{{h{gate}}}"]
        return " + ".join(terms)


class Given(ast.NodeTransformer):
    """Puts a call's arguments in the places of the parameters."""

    def __init__(self, arguments: dict[str, ast.expr]) -> None:
        self.arguments = arguments

    def visit_Name(self, node: ast.Name) -> Any:
        return self.arguments.get(node.id, node)


def called(function: str, argument: ast.expr) -> ast.expr:
    return ast.Call(ast.Name(function), [argument], [])


def pre_activation(cell: Cell, k: int) -> str:
    """A slot's name: its gate's, with x or h where the gate keeps the input's share and the state's apart."""
    first = cell.early_slots[0]
    if k < first:
        return f"a_{cell.input_rows[k]}^x"
    return f"a_{cell.state_rows[k - first]}" + ("" if k < len(cell.input_rows) else "^h")


def slots_in(cell: Cell, node: ast.expr) -> list[ast.expr]:
    """`a[1:3]` as a[1] and a[2]; anything that is not a range of slots as it is."""
    match node:
        case ast.Name("fed"):
            return [ast.parse(f"da[{k}]", mode="eval").body for k in range(*cell.early_slots)]
        case ast.Name("a" | "da" | "local" as name) | ast.Subscript(
            ast.Name("a" | "da" | "local" as name), ast.Slice()
        ):
            chosen = eval(ast.unparse(node), {name: range(cell.slots)})
            return [ast.parse(f"{name}[{k}]", mode="eval").body for k in chosen]
    return [node]


def fed_by_slot(cell: Cell) -> dict[int, str]:
    """What each slot acts on: that whose gradient `step_back` multiplies the slot's local derivative with."""
    fed: dict[int, str] = {}
    for statement in syntax(type(cell).step_back).body:
        match statement:
            case ast.Expr(ast.Call(args=[_, ast.Name(gradient), target])):
                acts_on = {"dh": "h_t", "dc": "c_t"}.get(gradient) or f"({product(gradient.removeprefix('d_'))})"
                slots = [ast.unparse(slot) for slot in slots_in(cell, target)]
                fed |= {int(slot[3:-1]): acts_on for slot in slots if slot.startswith("da[")}
    return fed


def derivative(of: str, by: str) -> str:
    return rf"\dfrac{{\partial {of}}}{{\partial {by}}}"


def part_of(total: str, where: str) -> str:
    """The part of a total derivative that comes by way of one step."""
    return rf"\left.{total}\right\rvert_{{{where}}}"


def product(letters: str) -> str:
    """The letters multiplied, a state among them being the old one."""
    return r" \odot ".join({"h": "h_{t-1}", "c": "c_{t-1}"}.get(letter, letter) for letter in letters)


def symbol(name: str) -> str:
    """A Python name as the cells form them: i, w_ci, do = ∂o/∂a_o, dh_dc = ∂h/∂c, d_rh = ∂L/∂(r ⊙ h), or a word."""
    if match := re.fullmatch(r"d([a-z])_d([a-z])", name):
        of, by = match.groups()
        return derivative(f"{of}_t", f"{by}_{{t-1}}" if of == by else f"{by}_t")
    if match := re.fullmatch(r"d_([a-z]+)", name):
        return derivative("L", f"({product(match[1])})")
    if match := re.fullmatch(r"d([a-z])", name):
        return derivative(match[1], f"a_{match[1]}")
    if match := re.fullmatch(r"([a-z])_([a-z]+)", name):
        return f"{match[1]}_{{{match[2]}}}" if len(match[2]) > 1 else name
    return name if len(name) == 1 else rf"\mathrm{{{name}}}"


def plain(latex: str) -> str:
    """A symbol as one line of text: ∂L/∂h_{t−1}."""
    group = r"\{((?:[^{}]|\{[^{}]*\})*)\}"
    text = re.sub(r"\\dfrac" + group + group, r"\1/\2", latex)
    text = re.sub(r"\\(?:mathrm|text)" + group, r"\1", text.replace(r"\left.", "").replace(r"\right\rvert", "|"))
    text = text.replace(r"\partial ", "∂").replace(r" \odot ", "⊙").replace("-", "−")
    return re.sub(r"\{(\w)\}", r"\1", text)
