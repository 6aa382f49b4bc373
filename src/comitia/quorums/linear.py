"""Linear programs: minimise `cost * x` subject to rows, x >= 0; solved by HiGHS in process.

Exact answers: HiGHS names an optimal basis in floating point, and the basis is then solved over
the rationals and *proved* optimal: every variable at least 0, every reduced cost at least 0.  That
proof is what an exact simplex method would end with, at the price of two linear systems instead of
a pivot sequence over fractions; HiGHS's tolerances never reach the answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from comitia.quorums.measure import Number


class Infeasible(ValueError):
    """No x satisfies all rows."""


class Unproved(ArithmeticError):
    """The basis found in floating point is not exactly optimal; the answer would be a guess."""


@dataclass(frozen=True)
class Row:
    """`coefficients * x <= bound`, or `== bound`."""

    coefficients: Mapping[int, Fraction]
    bound: Fraction
    equal: bool = False


@dataclass(frozen=True)
class Program:
    cost: Sequence[Fraction]
    rows: Sequence[Row]


@dataclass(frozen=True)
class Optimum:
    x: tuple[Number, ...]
    prices: tuple[Number, ...]
    """By row: how much the cost would change with the bound."""


def solve(program: Program, *, exact: bool = False) -> Optimum:
    """Return an optimum: in floating point, or in fractions and proved.

    Raises `Infeasible` when there is none, `Unproved` when the proof fails.
    """
    optimum, basis = _highs(program)
    return _prove(program, basis) if exact else optimum


def _highs(program: Program) -> tuple[Optimum, tuple[int, ...]]:
    """The optimum and its basis: variables by index, the slack of row i as `len(cost) + i`."""
    try:
        import highspy  # heavy (it brings numpy), and needed only here
    except ImportError:
        raise ModuleNotFoundError(
            "optimal strategies need HiGHS: pip install 'comitia[quorums]'", name="highspy"
        ) from None
    columns = len(program.cost)
    model: Any = highspy.HighsLp()
    model.num_col_, model.num_row_ = columns, len(program.rows)
    model.col_cost_ = [float(c) for c in program.cost]
    model.col_lower_ = [0.0] * columns
    model.col_upper_ = [highspy.kHighsInf] * columns
    model.row_upper_ = [float(row.bound) for row in program.rows]
    model.row_lower_ = [float(r.bound) if r.equal else -highspy.kHighsInf for r in program.rows]
    matrix = model.a_matrix_
    matrix.format_ = highspy.MatrixFormat.kRowwise
    starts = [0]
    indices: list[int] = []
    values: list[float] = []
    for row in program.rows:
        indices.extend(row.coefficients)
        values.extend(float(value) for value in row.coefficients.values())
        starts.append(len(indices))
    matrix.start_, matrix.index_, matrix.value_ = starts, indices, values
    build: Any = highspy.Highs
    solver = build()
    solver.setOptionValue("output_flag", False)
    solver.setOptionValue("threads", 1)
    solver.setOptionValue("solver", "simplex")  # ends in a basis
    solver.passModel(model)
    solver.run()
    status = solver.getModelStatus()
    if status == highspy.HighsModelStatus.kInfeasible:
        raise Infeasible("no strategy is within these limits")
    if status != highspy.HighsModelStatus.kOptimal:
        raise ArithmeticError(f"HiGHS ended with {solver.modelStatusToString(status)}")
    basis = solver.getBasis()
    basic = highspy.HighsBasisStatus.kBasic
    chosen = [at for at, s in enumerate(basis.col_status) if s == basic]
    chosen += [columns + at for at, s in enumerate(basis.row_status) if s == basic]
    found = solver.getSolution()
    return Optimum(tuple(found.col_value), tuple(found.row_dual)), tuple(chosen)


def _prove(program: Program, basis: Sequence[int]) -> Optimum:
    """Solve `basis` exactly; raise Unproved unless it is feasible and optimal."""
    columns, rows = len(program.cost), program.rows
    if len(basis) != len(rows):
        raise Unproved(f"a basis of {len(basis)} variables for {len(rows)} rows")
    place = {variable: at for at, variable in enumerate(basis)}
    # One equation a row: coefficients of the basic variables, and the bound.
    system = []
    for at, row in enumerate(rows):
        equation = {place[v]: c for v, c in row.coefficients.items() if v in place and c}
        if columns + at in place:
            equation[place[columns + at]] = Fraction(1)
        system.append(equation)
    values = _solve_square(system, [row.bound for row in rows])
    prices = _solve_square(
        _transposed(system),
        [program.cost[v] if v < columns else Fraction(0) for v in basis],
    )
    x = [Fraction(0)] * columns
    for variable, value in zip(basis, values, strict=True):
        if variable < columns:
            x[variable] = value
        elif value and rows[variable - columns].equal:
            raise Unproved("an equation is not met exactly")
        if value < 0:
            raise Unproved("a variable is slightly negative in the basis")
    reduced = list(program.cost)
    for row, price in zip(rows, prices, strict=True):
        if price > 0 and not row.equal:
            raise Unproved("a slack would lower the cost further")
        for variable, coefficient in row.coefficients.items():
            reduced[variable] -= price * coefficient
    if min(reduced) < 0:
        raise Unproved("another variable would lower the cost further")
    return Optimum(tuple(x), tuple(prices))


def _transposed(system: Sequence[Mapping[int, Fraction]]) -> list[dict[int, Fraction]]:
    turned: list[dict[int, Fraction]] = [{} for _ in system]
    for at, equation in enumerate(system):
        for column, value in equation.items():
            turned[column][at] = value
    return turned


def _solve_square(
    system: Sequence[Mapping[int, Fraction]], bounds: Sequence[Fraction]
) -> list[Fraction]:
    """Gauss-Jordan elimination over sparse rows; the shortest row that will do is the pivot."""
    left = [(dict(equation), bound) for equation, bound in zip(system, bounds, strict=True)]
    solved: dict[int, tuple[dict[int, Fraction], Fraction]] = {}
    while left:
        left.sort(key=lambda row: len(row[0]))
        pivot, bound = left.pop(0)
        if not pivot:
            raise Unproved("the basis is singular")
        column = min(pivot)
        scale = pivot[column]
        pivot = {at: value / scale for at, value in pivot.items()}
        bound /= scale

        def reduce(
            row: dict[int, Fraction],
            its_bound: Fraction,
            column: int = column,
            pivot: dict[int, Fraction] = pivot,
            bound: Fraction = bound,
        ) -> tuple[dict[int, Fraction], Fraction]:
            factor = row.get(column)
            if not factor:
                return row, its_bound
            for at, value in pivot.items():
                changed = row.get(at, Fraction(0)) - factor * value
                if changed:
                    row[at] = changed
                else:
                    row.pop(at, None)
            return row, its_bound - factor * bound

        left = [reduce(*row) for row in left]
        solved = {at: reduce(*row) for at, row in solved.items()}
        solved[column] = (pivot, bound)
    return [solved[at][1] for at in range(len(system))]
