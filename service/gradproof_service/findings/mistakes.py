"""The page of every cause: what a mistake looks like in the numbers, the slip behind it, and what to do.

A cause (F01, F05, ...) is told with the finding of a wrong claim. Its name and meaning come from the
search that names it; here stand the words for people, and an example in which it is the cause.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from gradproof_service.checking.causes import NAMES
from gradproof_service.findings.page import shown
from gradproof_service.findings.rule import Example


@dataclass(frozen=True, slots=True)
class Mistake:
    """One class of mistakes: its code, how it comes about, what to do, and a claim that makes it.

    `example` is None where only a point on a kink shows it.
    """

    code: str
    slip: str
    mend: str
    example: Example | None

    @property
    def name(self) -> str:
        """The short name told behind the code."""
        return NAMES[self.code][0]

    @property
    def meaning(self) -> str:
        """What is seen in the numbers, as a sentence."""
        text = NAMES[self.code][1]
        return f"{text[0].upper()}{text[1:]}."


_X: Final = {"x": [0.5, 1.0, -0.7, 1.3]}
_A: Final = {"A": [[0.5, 1.0, -0.7], [1.3, 0.2, 0.9], [-0.4, 0.8, 1.6]]}

MISTAKES: Final[tuple[Mistake, ...]] = (
    Mistake(
        "F01",
        "A factor of the chain is lost or written twice: the 2 of a square, the n of a mean, a sign, degrees for radians.",
        "Look for the constant that is named: an axis length speaks of mean and sum, -1 of a turned sign.",
        Example("sum(x * x)", _X, claim="x"),
    ),
    Mistake(
        "F02",
        "A value is read several times and its derivative is assigned where it should be added up.",
        "Start from zeros and add the contribution of each use.",
        Example("sum(x * uses)", {**_X, "uses": [4.0, 4.0, 3.0, 3.0]}, claim="0.0 * x + 1.0"),
    ),
    Mistake(
        "F03",
        "A matrix is not transposed back, an array is reshaped where its axes move, an index runs the other way.",
        "Write the shapes beside each factor; the derivative of `permute` is the inverse permutation.",
        Example("sum(A**3)", _A, claim="3 * matrix_transpose(A)**2"),
    ),
    Mistake(
        "F04",
        "A loop starts or ends one too early, a slot of the result is never filled, a path runs through integers.",
        "Fill that part too.",
        Example("sum(x * x)", _X, claim="2.0 * x * astype(x < 1.2, dtype='float64')"),
    ),
    Mistake(
        "F05",
        "A value reaches the output on several paths and one of them is forgotten.",
        "Add the contribution that is named: the derivative is the sum over all uses.",
        Example("sum(x * sin(x))", _X, claim="x * cos(x)"),
    ),
    Mistake(
        "F06",
        "A term is in the derivative that the function does not have, or two terms have exchanged their signs.",
        "Take the term that is named out, or turn its sign.",
        Example("square(sum(sin(x))) + sum(x**3.0)", _X, claim="2.0 * sum(sin(x)) * cos(x) + 3.0 * x**2.0 + cos(x)"),
    ),
    Mistake(
        "F07",
        "Two conventions for a symmetric matrix: each pair of entries as one variable or as two, one triangle or both.",
        "Declare the input symmetric if it is; else differentiate by every entry alone.",
        Example("sum(A * A)", _A, claim="tril(2.0 * A)"),
    ),
    Mistake(
        "F08",
        "The point lies on a kink or a tie, where every slope between the one-sided ones is as good as any other.",
        "No mistake: take another point, or say whose convention holds with a profile.",
        None,
    ),
    Mistake(
        "F09",
        "A sum runs over the wrong axis, a broadcast axis is not summed over, a running sum starts at the wrong end.",
        "Sum over exactly the axes along which the value was repeated.",
        Example("sum(square(sum(A, axes=(0,), keepdims=True)))", _A, claim="2 * sum(A, axes=(1,), keepdims=True) + 0 * A"),
    ),
    Mistake(
        "F10",
        "The derivative is taken at a stale or another value, by another argument, or of another output.",
        "Use the value that the function itself uses at that place.",
        Example("sum(sin(x))", _X, claim="cos(2 * x)"),
    ),
    Mistake(
        "F11",
        "The slope of one step of the chain is left out, or another function is written for it.",
        "Multiply with the factor that is named.",
        Example("sum(exp(x * x))", _X, claim="exp(x * x)"),
    ),
    Mistake(
        "F12",
        "The formula is right and the arithmetic is not: float32 temporaries, a difference quotient, a cancellation.",
        "Keep temporaries in float64 and rewrite what cancels.",
        Example("sum(sin(x))", _X, claim="cos(x) * (1 + 0.000002 * sin(1000000 * x))"),
    ),
    Mistake(
        "F13",
        "The formula was derived for one side of a sign or of a condition, and is used on both.",
        "Write the other branch too.",
        Example("sum(x * abs(x))", {"x": [0.5, 1.0, -0.7, 1.3, -0.2, -1.1]}, claim="2.0 * x"),
    ),
    Mistake(
        "F14",
        "The result is cut off from its argument, or its code divides zero by zero where the derivative is finite.",
        "Connect it; guard the input of the operation that makes NaN.",
        Example("sum(x * x)", _X, claim="0 * x"),
    ),
    Mistake(
        "F15",
        "Few entries are wrong and all others right: a boundary, an index, a single typing error.",
        "Look at the entries that are named; a rule that is wrong everywhere is not what you have.",
        Example("sum(x * x)", _X, claim="x * exp(relu(x - 1.2)) + x * (1.0 + relu(x - 1.2))"),
    ),
    Mistake(
        "F16",
        "Everything points at one value of the function, and the rule written for it is none that is often mistaken.",
        "Derive the rule of the node that is named once more.",
        Example(
            "sum(sin(x @ W))",
            {
                "x": [0.5, 1.0, -0.7, 1.3, 0.2, -0.4],
                "W": [[0.5, 1.0], [1.5, -0.3], [0.2, 0.8], [1.1, -0.6], [0.4, 0.7], [0.9, 0.1]],
            },
            claim="W @ tanh(1.0 + 3.0 * (x @ W))",
        ),
    ),
    Mistake(
        "F17",
        "No class of mistakes fits the numbers, but a line of the claim is wrong while what it is made of is right.",
        "Look at the line; what should stand in its place is told where it is known.",
        Example("sum(sin(x) * exp(x))", _X, claim="cos(x) * exp(x) + log(cos(tanh(3 * x)) + 2) * exp(x)"),
    ),
    Mistake(
        "F18",
        "A direction or a quaternion is differentiated along its sphere in one place and by its coordinates in the other.",
        "Leave the projection out, or declare what the input is.",
        Example("sum(sin(x))", _X, claim="cos(x) - x * sum(x * cos(x)) / sum(x * x)"),
    ),
)  # fmt: skip
"""In the order of their codes: every cause that a report can name."""


def mistake_page(mistake: Mistake) -> str:
    """What the numbers look like, how it comes about, what to do, and an example."""
    lines = [
        f"# {mistake.code} {mistake.name}", "", mistake.meaning, "",
        "A cause, told with the finding of a claim that is wrong.", "",
        "## How it comes about", "", mistake.slip, "", "## What to do", "", mistake.mend, "",
    ]  # fmt: skip
    if mistake.example is not None:
        lines += ["## Told here", "", *shown(mistake.example), ""]
    return "\n".join(lines)
