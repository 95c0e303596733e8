"""What an evaluation would cost, estimated from its types alone and judged against the limits before it begins."""

from __future__ import annotations

from gradproof_service.diagnostic import Fault, FaultKind
from gradproof_service.graph.cost import graph_flops
from gradproof_service.graph.graph import Graph
from gradproof_service.graph.limits import Limits
from gradproof_service.transforms.live import live


def judge_cost(graph: Graph, flags: tuple[bool, ...], batch: int, limits: Limits) -> None:
    """Raises `Fault` when one evaluation would hold more, or work more, than the limit; allocates nothing.

    `flags` say which inputs carry a batch axis, of length `batch`.
    """
    times = max(1, batch)
    elements = live(graph, flags, batch)
    if elements > limits.live_elements:
        raise Fault(
            FaultKind.LIMIT,
            f"{graph.name}: the evaluation would hold {elements:,} elements at once, the limit live_elements is "
            f"{limits.live_elements:,} elements; send a smaller point or fewer at once, or raise it to that much",
            limit="live_elements",
        )
    work = graph_flops(graph) * times
    if work > limits.work:
        raise Fault(
            FaultKind.LIMIT,
            f"{graph.name}: the evaluation would take about {work:.3g} operations, the limit is "
            f"{limits.work:.3g}; send a smaller point or fewer at once",
            limit="work",
        )
