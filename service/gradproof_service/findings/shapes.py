"""GP6xx: counts, broadcasts and declarations: what shapes give away about a slip."""

from __future__ import annotations

from collections.abc import Iterator

from gradproof_service.arrays import Structure
from gradproof_service.checking.report import Source, Verdict
from gradproof_service.diagnostic import Severity
from gradproof_service.findings.look import Look
from gradproof_service.findings.rule import Example, Rule, Seen, Told

WHOLE = ("F01", "F03", "F07")
"""Causes that change every contribution alike: a factor, a transpose, a symmetric convention."""
ELEMENTWISE = ("add", "subtract", "multiply", "divide", "maximum", "minimum")


def _count(look: Look, k: int) -> Seen | None:
    op = look.graph.sites[k].op.name
    v = look.graph.operands[k][0]
    if not look.smooth[v]:
        return None
    if op == "mean":
        sums = [u for u in look.users[v] if look.graph.sites[u].op.name == "sum"]
        if sums and look.graph.types[v].size > 1:
            return Seen(
                f"takes the mean of what {look.graph.node_label(sums[0])} sums up: they differ by the "
                f"factor {look.graph.types[v].size}", k, numbers=(("factor", float(look.graph.types[v].size)),),
            )  # fmt: skip
        return None
    total = look.made[look.bare(v)]
    count = look.number(look.graph.operands[k][1])
    if total < 0 or count is None or look.graph.sites[total].op.name != "sum":
        return None
    given = look.graph.sites[total].ins[0]
    out = look.graph.sites[total].out
    reduced = given.size // out.size if out.size else 0
    if count == reduced or count <= 1 or count not in given.shape:
        return None
    return Seen(
        f"divides a sum of {reduced} terms by {count:g}, the length of one axis: the mean differs by the "
        f"factor {reduced / count:g}", k, numbers=(("terms", float(reduced)), ("divisor", count)),
    )  # fmt: skip


SCALE_BY_COUNT = Rule(
    "GP601", "scale-by-count", Severity.INFO, "A sum divided by another count than its own, or mixed with a mean.",
    "A derivative that is wrong by a factor of the batch size or the length of an axis comes from here.",
    "Pick sum or mean, and divide by the number of terms that were summed.",
    Example("sum(A) / 3.0", {"A": [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]}),
    Example("sum(A) / 6.0", {"A": [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]}), ops=("divide", "mean"), look=_count,
)  # fmt: skip


def _broadcast(look: Look, k: int) -> Seen | None:
    types = look.graph.sites[k].ins
    a, b = look.graph.operands[k]
    for column, row in ((types[0].shape, types[1].shape), (types[1].shape, types[0].shape)):
        if len(column) == 2 and len(row) == 1 and column[1] == 1 < column[0] == row[0]:
            break
    else:
        return None
    if look.bare(a) == look.bare(b) or not (look.smooth[a] or look.smooth[b]):
        return None  # all pairs of one vector's elements are meant
    if not _summed_up(look, look.graph.first[k]):
        return None
    n = column[0]
    return Seen(
        f"broadcasts ({n}, 1) against ({n},) to ({n}, {n}), and all of it is then summed up", k,
        numbers=(("elements", float(n * n)),),
    )  # fmt: skip


def _summed_up(look: Look, v: int) -> bool:
    """Whether the value, perhaps after elementwise ops, is reduced to one number; a few steps on."""
    for _ in range(4):
        users = set(look.users[v])
        if len(users) != 1:
            return False
        (u,) = users
        site = look.graph.sites[u]
        if site.op.name in ("sum", "mean"):
            return site.out.size == 1
        if site.op.batching != "elementwise":
            return False
        v = look.graph.first[u]
    return False


SUSPICIOUS_BROADCAST = Rule(
    "GP602", "suspicious-broadcast", Severity.WARNING, "A column meets a vector and makes a table nobody asked for.",
    "A residual of n elements becomes n * n differences; value and gradient look plausible and are wrong.",
    "Squeeze the column, or give the vector a second axis on purpose.",
    Example("mean(square(p - y))", {"p": [[1.0], [2.0], [3.0]], "y": [1.0, 2.5, 3.5]}),
    Example("mean(square(p - y))", {"p": [[1.0], [2.0], [3.0]], "y": [[1.0], [2.5], [3.5]]}),
    ops=ELEMENTWISE, look=_broadcast, possible=Severity.WARNING,
)  # fmt: skip


def _fan_out(told: Told) -> Iterator[Seen]:
    look = told.view.look
    wrong = {
        c.input for c in told.report.comparisons
        if c.verdict is Verdict.DISAGREES and c.subject is Source.CLAIM and c.entries and not c.second_input
    }  # fmt: skip
    wrong -= {f.input for f in told.report.findings if f.cause.startswith(WHOLE)}
    for i, name in enumerate(look.graph.inputs):
        uses = len(look.users[i])
        if name in wrong and uses > 1:
            yield Seen(
                f"the input {name!r} is used {uses} times: its derivative is the sum over all of them",
                input=name, numbers=(("uses", float(uses)),), near=min(look.users[i]),
            )  # fmt: skip


FAN_OUT = Rule(
    "GP603", "fan-out", Severity.INFO, "An input whose derivative disagrees is used several times.",
    "A hand-written derivative that overwrites where it should add is right for one use only.",
    "Add up the contributions of all uses.",
    Example("sum(x * sin(x))", {"x": [0.5, 1.0]}, claim="sin(x)"),
    Example("sum(x * sin(x))", {"x": [0.5, 1.0]}, claim="sin(x) + x * cos(x)"), read=_fan_out,
)  # fmt: skip


def _undeclared(look: Look, k: int) -> Seen | None:
    v = look.bare(look.graph.operands[k][0])
    if v >= len(look.graph.inputs) or look.graph.types[v].structure is not Structure.NONE:
        return None
    name = look.graph.inputs[v]
    return Seen(
        f"reads the input {name!r} as a symmetric positive definite matrix, which is not declared",
        k,
        input=name,
    )


CONSTRAINT_MISSING = Rule(
    "GP605", "constraint-missing", Severity.INFO, "An input is used as a structured matrix without being declared one.",
    "Perturbing single entries leaves the symmetric matrices, and half or double off-diagonal slopes result.",
    "Declare it: structure={'A': 'spd'} in a call, --structure A=spd on the command line.",
    Example("sum(cholesky(A))", {"A": [[2.0, 1.0], [1.0, 3.0]]}),
    Example("sum(cholesky(A))", {"A": [[2.0, 1.0], [1.0, 3.0]]}, structures={"A": Structure.SPD}),
    ops=("cholesky",), look=_undeclared,
)  # fmt: skip

RULES = (SCALE_BY_COUNT, SUSPICIOUS_BROADCAST, FAN_OUT, CONSTRAINT_MISSING)
