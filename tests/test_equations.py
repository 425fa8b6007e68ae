"""The equations read from a cell's source: every line has one, none holds Python, and each is true of the numbers."""

import ast
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers import ACTIVATIONS, CELLS, KNOBS_OF, PHI, relative, sigma

import gradflow as gf
from gradflow.activations import complement, sigmoid
from gradflow.cells.cell import Product
from gradflow.derivation import replay
from gradflow.equations import PARTS, lines, plain, syntax

STEP = 1e-30j
SLOPES = {
    "tanh": lambda a: 1.0 - np.tanh(a) ** 2,
    "sigmoid": lambda a: sigma(a) * (1.0 - sigma(a)),
    "relu": lambda a: (a > 0.0) * 1.0,
}


def equations(cell):
    return [(line, equation) for line in lines(cell) for equation in line.equations]


@pytest.mark.parametrize("name", CELLS)
def test_every_line_of_the_cell_is_there_as_it_stands_in_the_file(name):
    cell = CELLS[name]()
    for part, method in PARTS.items():
        function = getattr(type(cell), method)
        ours = [line for line in lines(cell) if line.part == part and line.module == function.__module__]
        assert len(ours) == len(syntax(function).body)
        for line, statement in zip(ours, syntax(function).body, strict=True):
            assert ast.dump(ast.parse(line.source)) == ast.dump(ast.Module([statement], []))
    for line in lines(cell):
        text = Path(sys.modules[line.module].__file__).read_text(encoding="utf-8").splitlines()[line.number - 1]
        assert text.strip().startswith(line.source.splitlines()[0])


@pytest.mark.parametrize("name", CELLS)
def test_only_what_hands_on_names_has_no_equation(name):
    for line in lines(CELLS[name]()):
        if not line.equations:
            assert re.fullmatch(r"(\w+, )+\w+ = (a|saved)|\(\w+,\) = a", line.source), line.source


@pytest.mark.parametrize("name", CELLS)
def test_no_python_is_left_in_an_equation(name):
    for line, equation in equations(CELLS[name]()):
        words = re.sub(r"\\(mathrm|text)\{\w+\}|\\left\.|\\[a-zA-Z]+|_\{\w+\}", " ", equation.latex)
        assert not re.findall(r"[A-Za-z]{2,}|[*\[\]@#:.|]|\bNone\b", words), equation.latex
        assert equation.latex.count("{") == equation.latex.count("}")
        assert equation.latex.count(r"\left.") == equation.latex.count(r"\right\rvert")
        assert not re.search(r"[\\{}]", re.sub(r"_\{\w[−+]?\w\}", "", plain(equation.symbol))), plain(equation.symbol)
        assert line.source


def test_the_lstm_is_the_textbook_s():
    latex = {equation.latex.replace(r"\dfrac", "").replace(r"\partial ", "∂") for _, equation in equations(gf.LSTM())}
    assert latex >= {
        r"a_f = W_{if} x_t + b_{if} + W_{hf} h_{t-1} + b_{hf}",
        r"f = \sigma(a_f)",
        r"c_t = f \odot c_{t-1} + i \odot g",
        r"y = \varphi(c_t)",
        r"h_t = o \odot y",
        r"{∂f}{∂a_f} = \sigma'(a_f)",
        r"{∂c_t}{∂a_g} = \varphi'(a_g) \odot i",
        r"{∂L}{∂c_t} = \left.{∂L}{∂c_t}\right\rvert_{t+1} + {∂L}{∂h_t} \odot {∂h_t}{∂c_t}",
        r"{∂c_t}{∂c_{t-1}} = f",
        r"\left.{∂L}{∂c_{t-1}}\right\rvert_{t} = {∂c_t}{∂c_{t-1}} \odot {∂L}{∂c_t}",
    }


def test_options_show_in_the_equations():
    latex = {
        (reset, update): {e.latex for _, e in equations(gf.GRU(reset=reset, update=update))}
        for reset in ("after", "before")
        for update in ("keep", "write")
    }
    kept, written = r"\mathrm{kept} = z", r"\mathrm{kept} = 1 - z"
    assert all((kept in found) == (update == "keep") for (_, update), found in latex.items())
    assert all((written in found) == (update == "write") for (_, update), found in latex.items())
    late = r"a_n \leftarrow a_n + W_{hn} (r \odot h_{t-1})"
    assert all((late in found) == (reset == "before") for (reset, _), found in latex.items())


class Numbers:
    """Reads an equation's right-hand side, independently of what wrote it, and computes it from other symbols' values."""

    def __init__(self, flow, t):
        cell, params, hidden = flow.trace.cell, flow.trace.params, flow.trace.h.shape[-1]
        self.values = {}
        for kind, weight, bias in (("i", "weight_ih_l0", "bias_ih_l0"), ("h", "weight_hh_l0", "bias_hh_l0")):
            for k, gate in enumerate(cell.gates):
                rows = slice(k * hidden, (k + 1) * hidden)
                self.values[f"W_{{{kind}{gate}}}"] = params[weight][rows]
                self.values[f"b_{{{kind}{gate}}}"] = params[bias][rows]
        for name in cell.unit_weights:
            self.values[f"w_{{{name.removeprefix('weight_')}}}"] = params[name]
        self.values |= {"x_t": flow.trace.x[t - 1, 0], "h_{t-1}": flow.trace.h[t - 1, 0]}
        self.values[r"\dfrac{\partial L}{\partial h_t}"] = flow.grad_h[t, 0]
        direct = r"\left.\dfrac{\partial L}{\partial h_{t-1}}\right\rvert_{\text{direct}}"
        self.values[direct] = flow.direct[t - 1, 0]
        if cell.has_c:
            self.values["c_{t-1}"] = flow.trace.c[t - 1, 0]
        activation = cell.activation
        self.functions = {
            "sigma": sigma,
            "sigma_": SLOPES["sigmoid"],
            "phi": PHI[activation],
            "phi_": SLOPES[activation],
        }

    def right_hand_side(self, latex):
        right = re.split(r" = | \\leftarrow ", latex, maxsplit=1)[1]
        names = {}
        for symbol in sorted(self.values, key=len, reverse=True):
            if symbol in right:
                names[f"v{len(names)}v"] = self.values[symbol]
                right = right.replace(symbol, f" v{len(names) - 1}v ") if len(symbol) > 1 else right
                if len(symbol) == 1:
                    right = re.sub(rf"(?<![\\\w{{]){symbol}(?![\w'])", f" v{len(names) - 1}v ", right)
        for written, read in {
            r"\odot": "*",
            r"\sigma'": "sigma_",
            r"\varphi'": "phi_",
            r"\sigma": "sigma",
            r"\varphi": "phi",
            r"^\top": ".T",
        }.items():
            right = right.replace(written, read)
        right = re.sub(r"(v\d+v) ?(\.T)? +(?=v\d+v|\()", r"\1\2 @ ", right)
        return eval(right, {**self.functions, **names})


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("name", CELLS)
def test_every_equation_is_true_of_the_numbers(name, activation):
    """What stands on the right, read back from the LaTeX alone, is what its line computed, at three steps."""
    exp = gf.Experiment(
        activation=activation, length=7, hidden=5, batch=1, sequence_type="many-to-many", **KNOBS_OF[name]
    )
    flow = gf.run(exp)
    mantissa, exponent = replay(flow)
    values = np.ldexp(mantissa, exponent[..., None])
    share = r"\left.\dfrac{\partial L}{\partial c_t}\right\rvert_{t+1}"
    later = r"\left.\dfrac{\partial L}{\partial c_{t-1}}\right\rvert_{t}"
    numbered = list(enumerate(equation for _, equation in equations(flow.trace.cell)))
    from_later = np.zeros(5)
    for t in (7, 6, 5):
        numbers = Numbers(flow, t)
        numbers.values[share] = from_later
        for number, equation in numbered:
            got = numbers.right_hand_side(equation.latex)
            assert relative(values[number, t - 1], np.broadcast_to(got, 5)) < 1e-12, (t, equation.latex)
            numbers.values[equation.symbol] = values[number, t - 1]
        from_later = numbers.values.get(later)


@pytest.mark.parametrize("name", CELLS)
def test_a_local_derivative_is_the_derivative_it_is_called(name):
    """∂h_t/∂a or ∂c_t/∂a by a complex step through `step`, slot by slot."""
    exp = gf.Experiment(length=3, hidden=5, batch=1, **KNOBS_OF[name])
    flow = gf.run(exp)
    trace, cell = flow.trace, flow.trace.cell
    mantissa, _ = replay(flow)
    checked = 0
    for number, (line, equation) in enumerate(equations(cell)):
        found = re.fullmatch(r"∂([hc])_t/∂a\w*(?:\^\w)?", plain(equation.symbol))
        if line.part != "local" or not found:
            continue
        state, slot = found[1], int(equation.target.removeprefix("local[")[:-1])
        a = trace.a[:, 1].astype(complex)
        a[slot] += STEP
        saved = np.empty_like(trace.saved[:, 1], complex)
        # what `step` adds to a slot is already in
        late = [np.zeros_like] if cell.late_rows else []
        own = [*late, *(np.zeros((5, 1)) for _ in cell.unit_weights)]
        moved = {"h": np.empty((5, 1), complex), "c": np.empty((5, 1), complex)}
        ((a_t, saved_t),) = cell.rows(a[:, None], saved[:, None])
        cell.step(a_t, saved_t, trace.h[1].T, None if trace.c is None else trace.c[1].T, *moved.values(), *own)
        assert relative(mantissa[number, 1], moved[state][:, 0].imag / STEP.imag) < 1e-13, equation.latex
        checked += 1
    assert checked >= 1


def test_what_cannot_be_written_is_refused():
    class Odd(gf.RNN):
        def step(self, a, saved, h, c, h_next, c_next):
            np.sinh(a[0], h_next)

    with pytest.raises(ValueError, match=r"must be a way to write it as an equation, got np.sinh\(a\[0\]\)"):
        lines(Odd())


def test_an_equation_follows_its_line():
    """Lines that no cell here has: a product of something else, 1 − σ as a factor, gates alone."""

    class TakesAnother(type(gf.GRU())):
        def step_back(self, dh, dc, local, kept, da, fed, dh_before, dc_before, UT: Product):
            np.multiply(local, dh, da)
            np.add(UT(kept), kept * dh, dh_before)

    class Factor(type(gf.GRU())):
        def partials(self, a, saved, h, c, local, kept):
            n, _, z, a_n = saved
            np.multiply(self.phi.slope(a_n, n, local[0]), complement(a[2], z), local[0])

    class OnlyGates(gf.RNN):
        saves, sigmoids = ("h",), slice(1)

        def step(self, a, saved, h, c, h_next, c_next):
            (a_gates,) = a
            gates, _ = saved
            sigmoid(a_gates, gates)

    with pytest.raises(ValueError, match="must be of the slots that W_hh feeds, got kept"):
        lines(TakesAnother())
    assert r"\odot (1 - z)" in "".join(equation.latex for _, equation in equations(Factor()))
    assert r"\sigma(a_h)" in "".join(equation.latex for _, equation in equations(OnlyGates()))


def test_a_slot_without_its_line_is_named():
    class Forgets(type(gf.GRU())):
        def step_back(self, dh, dc, local, kept, da, fed, dh_before, dc_before, UT: Product):
            np.multiply(local[1:], dh, da[1:])

    with pytest.raises(ValueError, match=r"every slot's local derivative, got none for da\[0\]"):
        lines(Forgets())


def test_symbols_are_plain_text_too():
    symbols = {plain(equation.symbol) for _, equation in equations(gf.GRU(reset="before"))}
    assert symbols >= {"∂L/∂h_{t−1}", "∂L/∂h_{t−1}|_t", "∂(r⊙h_{t−1})/∂a_r", "kept", "h_t", "a_z"}
