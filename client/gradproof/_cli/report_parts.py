"""What the parts of a report's page share: its words, its rows, and what a derivative is called."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from gradproof_proto.v1 import check_pb2 as pb

from gradproof._cli.case import Case
from gradproof._cli.page import Page

SOURCES: Final = {
    pb.SOURCE_FORWARD: "forward",
    pb.SOURCE_REVERSE: "reverse",
    pb.SOURCE_DIFFERENCES: "differences",
    pb.SOURCE_COMPLEX_STEP: "complex step",
    pb.SOURCE_CLAIM: "claim",
    pb.SOURCE_RULE: "rule",
    pb.SOURCE_EXTENDED: "extended precision",
}
SECOND_ORDER: Final = (pb.DERIVATIVE_KIND_HESSIAN, pb.DERIVATIVE_KIND_HVP)


@dataclass(frozen=True, slots=True)
class Shown:
    """What the parts of the page share."""

    page: Page
    report: pb.Report
    case: Case
    gutter: int
    framed: set[str] = field(default_factory=set[str])
    """The places whose source lines are on the page already."""

    def row(self, name: str, text: str, style: str = "", *, mark: str = "  ") -> None:
        """A name in the left column, and what is said of it."""
        self.page.add((mark, style), (f"{name:<{self.gutter}}  ", "bold"), (text, style))

    @property
    def room(self) -> int:
        """Columns right of the names."""
        return self.page.width - self.gutter - 4


def derivative_name(output: str, input: str, second: str, *, named: bool, order: int = 1) -> str:
    """`d/dx`, `d y/dx` where several outputs need telling apart, `d2/dx2`, `d2/dx dy`."""
    upper = f" {output}" if named else ""
    if order == 1:
        return f"d{upper}/d{input}"
    return f"d²{upper}/d{input}²" if input == second else f"d²{upper}/d{input} d{second}"


def name_of(report: pb.Report, c: pb.Comparison | pb.Derivative) -> str:
    """What the derivative of a comparison is called on the page of its report."""
    named = len({k.output for k in (*report.comparisons, *report.derivatives)}) > 1
    order = 2 if c.second_input or c.kind in SECOND_ORDER else 1
    return derivative_name(c.output, c.input, c.second_input or c.input, named=named, order=order)


def profile_of(options: pb.Options) -> str:
    """The library whose conventions a check follows, such as `jax`; `gradproof` for its own."""
    if options.profile in (pb.PROFILE_UNSPECIFIED, pb.PROFILE_NUMPY):
        return "gradproof"
    return pb.Profile.Name(options.profile).removeprefix("PROFILE_").lower()


def first_reason(reason: str) -> str:
    """Why the best road was closed, without why the lesser ones were: usually it is the same."""
    best = re.split(r"; (?=(?:array|namespace|scalar) tracing)", reason)[0]
    return re.sub(r"^(?:array|namespace|scalar) tracing[^:]*: ", "", best)
