"""A cell's lines as a table: the equation, the source that computes it, and its value at one step."""

from gradflow.derivation import Derivation
from gradflow.derivation_findings import signed
from gradflow.findings import power_of_ten

# in words: on a phone it stands under the equation, where ditto marks would be lost
SAME = ":small[:gray[the same line]]"


def lines_table(d: Derivation, part: str, step: int) -> str:
    """Markdown with one row for each equation of one part; a line that says several things is named once."""
    rows = [f"| Equation | Line that computes it | Norm | Range | Unit {d.unit} |", "|---|---|---|---|---|"]
    number = 0
    for line in d.lines:
        place = f"`{line.source}` :small[:gray[{line.module.split('.')[-1]}.py:{line.number}]]"
        for equation in line.equations:
            if line.part == part:
                rows.append(f"| ${equation.latex}$ | {place} | {values(d, number, step)} |")
            number, place = number + 1, SAME
    return "\n".join(rows)


def values(d: Derivation, number: int, step: int) -> str:
    """Norm, range and one unit's value of one equation, as the table's last three cells."""
    log10 = float(d.log10_norm[number, step - 1])
    least, greatest, unit = (
        signed(float(array[number, step - 1]), log10) for array in (d.least, d.greatest, d.unit_value)
    )
    return f"{power_of_ten(log10)} | {least} … {greatest} | {unit}"
