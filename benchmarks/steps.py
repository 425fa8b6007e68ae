"""∂L/∂h_t, ∂L/∂c_t and the parameters' gradients of one network, side by side: python -m benchmarks.steps"""

from benchmarks.peers import GATES, PEERS, difference, jax_run, make_problem
from benchmarks.timing import interleaved, seconds

SIZES = {(50, 1, 32): 20, (100, 16, 64): 5, (200, 32, 128): 1}  # (T, B, H) → calls per measurement
ROUNDS = 15


def compile_seconds(cell: str, length: int) -> float:
    """How long JAX's first call takes at a length that it has not seen."""
    return seconds(jax_run(make_problem(cell, length, 16, 64)))


def main() -> None:
    print("| cell | T, B, H | gradflow ms | PyTorch ms | JAX ms | PyTorch / gradflow | JAX / gradflow |")
    print("|---|---|---|---|---|---|---|")
    for cell in GATES:
        for size, inner in SIZES.items():
            problem = make_problem(cell, *size)
            runs = {name: prepare(problem) for name, prepare in PEERS.items()}
            for name, run in runs.items():
                if (gap := difference(runs["gradflow"](), run())) > 1e-9:
                    raise AssertionError(f"{name} and gradflow differ by {gap:.1e} for {cell} {size}")
            ms = {name: 1e3 * t for name, t in interleaved(runs, ROUNDS, inner).items()}
            ratios = [ms[peer] / ms["gradflow"] for peer in ("torch", "jax")]
            row = [cell, ", ".join(map(str, size)), *(f"{t:.3g}" for t in ms.values()), *(f"{r:.2f}×" for r in ratios)]
            print(f"| {' | '.join(row)} |", flush=True)

    print(
        "\nThe first call at a new length (B 16, H 64), in ms:\n\n| cell | gradflow | JAX, compiling |\n|---|---|---|"
    )
    for cell in GATES:
        ours = seconds(PEERS["gradflow"](make_problem(cell, 101, 16, 64)))
        print(f"| {cell} | {1e3 * ours:.3g} | {1e3 * compile_seconds(cell, 101):.0f} |")


if __name__ == "__main__":
    main()
