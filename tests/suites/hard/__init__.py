"""Hard but correct: points where careless checkers accuse a derivative that is right."""

from tests.suites.hard import algebra, cancellation, curves, edges, saturation, scales, singles

CASES = tuple(
    case
    for module in (scales, cancellation, curves, edges, algebra, saturation, singles)
    for case in module.CASES
)
