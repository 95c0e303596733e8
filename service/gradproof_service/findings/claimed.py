"""GP8xx: claims that are wrong or cannot be compared. Made by `checking.claims`; explained here."""

from __future__ import annotations

from gradproof_service.diagnostic import Severity
from gradproof_service.findings.rule import Example, Rule

MADE_BY = "checking.claims"

DERIVATIVE_DIFFERS = Rule(
    "GP800", "derivative-differs", Severity.ERROR, "A claimed derivative differs from the reference.",
    "The difference exceeds every error bar and what the tolerance forgives.",
    "Correct the derivative of that argument; the worst entry and both its numbers are in the finding.",
    Example("sum(x * x)", {"x": [1.0, 2.0]}, claim="x"), Example("sum(x * x)", {"x": [1.0, 2.0]}, claim="2.0 * x"),
    made_by=MADE_BY,
)  # fmt: skip

CLAIM_SHAPE = Rule(
    "GP801", "claim-shape", Severity.ERROR, "A claimed derivative has another shape than the derivative.",
    "A gradient has the shape of its input, a Jacobian that of the output followed by that of the input.",
    "Return an array of the shape that the finding names.",
    Example("sum(x * x)", {"x": [1.0, 2.0]}, claim="concat(x, x)"),
    Example("sum(x * x)", {"x": [1.0, 2.0]}, claim="2.0 * x"), made_by=MADE_BY,
)  # fmt: skip

CLAIM_DTYPE = Rule(
    "GP802", "claim-dtype", Severity.ERROR, "A claimed derivative is no array of floats.",
    "Truth values and complex numbers cannot be held against a slope.",
    "Return float64 or float32.",
    Example("sum(relu(x))", {"x": [1.0, -2.0]}, claim="x > 0.0"),
    Example("sum(relu(x))", {"x": [1.0, -2.0]}, claim="astype(x > 0.0, dtype='float64')"), made_by=MADE_BY,
)  # fmt: skip

CLAIM_ARITY = Rule(
    "GP803", "claim-arity", Severity.ERROR, "A claimed derivative takes or returns the wrong number of arguments.",
    "A claim is called with the function's own arguments, and the seed last when it is a rule.",
    "Take the function's arguments, and return one derivative for each.",
    Example("sum(x * y)", {"x": [1.0, 2.0], "y": [3.0, 4.0]}, claim="y", claim_inputs=("y",)),
    Example("sum(x * y)", {"x": [1.0, 2.0], "y": [3.0, 4.0]}, claim="y"), made_by=MADE_BY,
)  # fmt: skip

CLAIM_RAISES = Rule(
    "GP804", "claim-raises", Severity.ERROR, "A claimed derivative fails when it is called.",
    "It was called at the very point at which the function has a value.",
    "Mend the claimed function; its own message is in the finding.",
    Example("sum(x * x)", {"x": [1.0, 2.0]}, raises="ValueError: operands could not be broadcast together"),
    Example("sum(x * x)", {"x": [1.0, 2.0]}, claim="2.0 * x"), made_by=MADE_BY,
)  # fmt: skip

DIGITS_LOST = Rule(
    "GP805", "digits-lost", Severity.WARNING, "A claimed derivative is right, to fewer digits than float64 gives.",
    "A float32 temporary or a cancellation costs digits, and optimisers that divide by differences feel it.",
    "Keep every temporary in float64.",
    Example("sum(x * x)", {"x": [1.1, 2.2]}, claim="2.0 * astype(astype(x, dtype='float32'), dtype='float64')"),
    Example("sum(x * x)", {"x": [1.1, 2.2]}, claim="2.0 * x"), made_by=MADE_BY,
)  # fmt: skip

BY_DECLARATION = Rule(
    "GP806", "differs-by-declaration", Severity.INFO, "A rule that is declared a surrogate differs from the derivative.",
    "A straight-through or smoothed rule is meant to differ, so it is told and accuses no one.",
    "Nothing to mend where the surrogate is meant; drop the declaration where it is not.",
    Example("round(x)", {"x": 1.25}, rule="x_dot"), Example("round(x)", {"x": 1.25}, rule="0.0 * x_dot"),
    made_by="checking.rules",
)  # fmt: skip

RULES = (
    DERIVATIVE_DIFFERS,
    CLAIM_SHAPE,
    CLAIM_DTYPE,
    CLAIM_ARITY,
    CLAIM_RAISES,
    DIGITS_LOST,
    BY_DECLARATION,
)
