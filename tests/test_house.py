"""The three floors: who may import whom, what `import gradflow` loads, and that everything public is explained."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import gradflow as gf

ROOT = Path(gf.__file__).parents[1]
PACKAGE = ROOT / "gradflow"
MODULES = {
    p: ".".join(p.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for p in PACKAGE.rglob("*.py")
}
FLOORS = {
    # floor: (which of our packages it may import besides the core, which of the outside's)
    "core": (set(), {"numpy", "pandas"}),
    "figures": ({"figures"}, {"numpy", "plotly", "pandas"}),
    "ui": ({"figures", "ui"}, {"numpy", "plotly", "pandas", "streamlit"}),
}


def floor_of(module):
    second = [*module.split("."), ""][1]
    return second if second in FLOORS else "core"


def imports(path, module, top_only=False):
    """Every module a file imports, TYPE_CHECKING blocks aside, as absolute dotted names."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing_only = {
        node
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.unparse(block.test)
        for node in ast.walk(block)
    }
    inside_functions = {
        node
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for node in ast.walk(function)
    }
    found = set()
    for node in ast.walk(tree):
        if node in typing_only or (top_only and node in inside_functions):
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
            base = (
                ".".join([*package[: len(package) - node.level + 1], node.module or ""]) if node.level else node.module
            )
            base = base.strip(".")
            found.add(base)
            found |= {f"{base}.{alias.name}" for alias in node.names if f"{base}.{alias.name}" in MODULES.values()}
    return found


@pytest.mark.parametrize("path", MODULES, ids=MODULES.values())
def test_a_floor_imports_only_what_is_below_it(path):
    module = MODULES[path]
    ours, outside = FLOORS[floor_of(module)]
    for name in imports(path, module):
        top = name.split(".")[0]
        if top == "gradflow":
            assert floor_of(name) in {"core", *ours}, f"{module} imports {name}"
        else:
            assert top in sys.stdlib_module_names | outside, f"{module} imports {name}"


@pytest.mark.parametrize("path", [p for p, m in MODULES.items() if floor_of(m) == "core"], ids=lambda p: p.stem)
def test_pandas_stays_at_the_cores_edge(path):
    """Only frames.py imports it at the top; others, and frames.py itself, are imported inside the functions that need it."""
    module = MODULES[path]
    at_the_top = imports(path, module, top_only=True)
    if module != "gradflow.frames":
        assert not any(name.split(".")[0] == "pandas" or name == "gradflow.frames" for name in at_the_top)


def test_the_core_has_no_import_cycles():
    graph = {m: imports(p, m) & set(MODULES.values()) for p, m in MODULES.items() if floor_of(m) == "core"}

    def visit(module, path):
        assert module not in path, " → ".join([*path, module])
        for name in graph.get(module, set()) - {"gradflow", module}:
            visit(name, [*path, module])

    for module, imported in graph.items():
        assert module == "gradflow" or "gradflow" not in imported  # the package itself imports them all
        visit(module, [])


def test_pages_lie_one_folder_deeper():
    """A .py directly in pages/ would be run as a page of its own beside st.navigation's."""
    assert not list((ROOT / "pages").glob("*.py"))


def test_importing_gradflow_loads_nothing_heavy():
    script = "import sys, gradflow; print(sorted({'streamlit', 'plotly', 'pandas'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", gf.__all__)
def test_everything_public_is_explained(name):
    thing = getattr(gf, name)
    if callable(thing):
        own = thing.__doc__ or ""
        assert len(own) > 20
        assert not own.startswith(f"{name}(")  # the signature that dataclass writes where there is no docstring


@pytest.mark.parametrize("path", MODULES, ids=MODULES.values())
def test_every_module_says_what_it_is(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert not tree.body or ast.get_docstring(tree)
