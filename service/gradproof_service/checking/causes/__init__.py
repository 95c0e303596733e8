"""Why a claim is wrong: the cause by name, with numbers, and the places that explain it.

Never a guess: what explains nothing is not named, and where several places explain the numbers
alike all of them are given.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np

from gradproof_service.arrays import Array
from gradproof_service.checking.causes.constants import sizes_of
from gradproof_service.checking.causes.fingerprints import FINGERPRINTS, PLACES, fingerprints
from gradproof_service.checking.causes.flow import flow_of
from gradproof_service.checking.causes.localise import localise
from gradproof_service.checking.causes.mismatch import Match, Mismatch
from gradproof_service.checking.causes.telling import Culprit
from gradproof_service.checking.causes.walk import walk
from gradproof_service.checking.scene import Scene
from gradproof_service.diagnostic import Location
from gradproof_service.graph.graph import Graph
from gradproof_service.ops.record import IllTyped

SLACK = 4.0
"""A right claim may round differently from the reference: it is believed to within this many bars."""
SHOWN = 3
"""Causes given: the best and its alternatives."""
LEAST = 0.9
"""What explains less of the difference is not called its cause."""
NAMES = {
    **{f.code: (f.name, f.meaning) for f in FINGERPRINTS},
    **{code: (name, meaning) for code, name, meaning in PLACES},
    "F17": (
        "culprit-line",
        "a line of the claimed derivative whose operands are right and whose result is not",
    ),
}
"""Code -> (name, what it means) of every cause."""
_ORDER = {
    code: k
    for k, code in enumerate(
        [
            *(f.code for f in FINGERPRINTS if f.code not in ("F12", "F15")),
            "F05",
            "F06",
            "F12",
            "F15",
            "F16",
        ]
    )
}


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a claim differs: one sentence, and how much of the difference it explains.

    `nodes` and `locations` are places in the checked function that explain the numbers alike;
    `culprit` and `culprit_text` the line of the claimed derivative itself, when it could be
    walked. `alternatives` are further (code, text, explained).
    """

    code: str
    name: str
    text: str
    explained: float
    alternatives: tuple[tuple[str, str, float], ...] = ()
    nodes: tuple[str, ...] = ()
    locations: tuple[Location, ...] = ()
    culprit: tuple[Location, ...] = ()
    culprit_text: str = ""


def find_cause(
    scene: Scene,
    o: int,
    i: int,
    claimed: Array,
    reference: Array,
    bar: Array,
    claim_graph: Graph | None = None,
    claim_inputs: Sequence[Array] | None = None,
    *,
    seeds: Array | None = None,
    tangents: Array | None = None,
    result_index: int = 0,
) -> Cause | None:
    """Name why `claimed` differs from `reference`, or None when nothing explains it.

    All three are (m, n): rows are output elements; with `seeds` (R, m) they are (R, n), what a
    vjp made of these cotangents; with `tangents` (R, n) they are (R, m), what a jvp made of them.
    `bar` is what rounding of the reference alone may account for, without what a tolerance
    forgives. `claim_graph` is the claim itself as a graph of `claim_inputs` (the function's
    inputs, for a vjp one seed more), of which it returns output `result_index`.
    Raises nothing but what the scene's tick raises to end the call.
    """
    if not (claimed.shape == reference.shape == bar.shape) or claimed.ndim != 2 or not claimed.size:
        return None
    m = Mismatch(
        scene, o, i, claimed.astype(np.float64), reference.astype(np.float64),
        SLACK * np.where(np.isfinite(bar), bar, 0.0), _flat(seeds), _flat(tangents),
    )  # fmt: skip
    rows, columns = claimed.shape
    sizes = scene.size_out(o), scene.size_in(i)
    given = tangents if seeds is None else seeds
    expected = sizes if given is None else (len(given), sizes[tangents is None])
    if (
        (rows, columns) != expected
        or not np.isfinite(m.reference).all()
        or not np.isfinite(bar).all()
    ):
        return None
    matches = _searched(m)
    best, culprit = _cause(matches), None
    right = best is not None and best.code in _NO_LINE
    if claim_graph is not None and claim_inputs is not None and not right:
        with suppress(*_TROUBLE):
            culprit = walk(m, claim_graph, claim_inputs, result_index)
    return best if culprit is None else _with(best, culprit)


def _with(best: Cause | None, culprit: Culprit) -> Cause:
    """The cause with the line of the claim.

    What mending that line has shown is believed before a form that says little, and before a place
    in the function that only the numbers speak for.
    """
    yields = _FAINT if culprit.faint else _YIELDS
    whole = f"{culprit.text}: {culprit.step}" if culprit.step else culprit.text
    if best is not None and best.code == culprit.code == "F01":
        whole = culprit.text  # the factor is told already
    if best is None or (culprit.code and best.code in yields and best.code != culprit.code):
        code = culprit.code or "F17"
        best = Cause(
            code, NAMES[code][0], whole, 1.0,
            nodes=best.nodes if best else (), locations=best.locations if best else (),
        )  # fmt: skip
    return replace(best, culprit=culprit.locations, culprit_text=whole)


_FAINT = ("F15", "F16")
"""Causes that say so little that any class shown by a line is believed before them."""
_YIELDS = (*_FAINT, "F05", "F06", "F10", "F11", "F13")
"""Causes that a line of the claim which was mended is believed before."""


_NO_LINE = ("F08", "F12")
"""Where the formula is right no line of it is wrong."""
_SETTLES = ("F08",)
"""No mistake in a rule: where this explains everything, no place is looked for."""
_TROUBLE = (
    ArithmeticError,
    ValueError,
    TypeError,
    LookupError,
    AssertionError,
    AttributeError,
    MemoryError,
    IllTyped,
)
"""What numbers and shapes that nobody foresaw can raise in a search: the search ends, the check goes on."""


def _flat(seeds: Array | None) -> Array | None:
    return None if seeds is None else seeds.reshape(len(seeds), -1).astype(np.float64)


def _searched(m: Mismatch) -> list[Match]:
    found: list[Match] = []
    with suppress(*_TROUBLE):
        for match in fingerprints(m):
            found.append(match)  # noqa: PERF402 - what came before a trouble is kept
    settled = any(x.code in _SETTLES and x.exact for x in found)
    if np.isfinite(m.claimed).all() and m.sharp and not settled:
        with suppress(*_TROUBLE), np.errstate(all="ignore"):
            flow = flow_of(m)
            found.extend(localise(flow, sizes_of(m.scene.graph)) if flow is not None else [])
    return found


def _cause(matches: Sequence[Match]) -> Cause | None:
    """The most believed of what explains everything, else the one that explains most."""
    ranked = sorted((x for x in matches if x.exact or x.explained >= LEAST), key=_rank)
    if not ranked:
        return None
    best = ranked[0]
    places = next((x for x in ranked if x.nodes and not x.weak), best) if best.exact else best
    shown: dict[tuple[str, str], float] = {}
    for x in ranked[1:]:
        if x.code != best.code and best.code not in _SETTLES:
            shown.setdefault((x.code, x.text), round(x.explained, 4))
    return Cause(
        best.code, NAMES[best.code][0], best.text, best.explained,
        tuple((code, text, part) for (code, text), part in shown.items())[: SHOWN - 1],
        places.nodes, places.locations,
    )  # fmt: skip


def _rank(x: Match) -> tuple[bool, bool, float, int, bool]:
    placed = bool(x.nodes) if x.code == "F11" else not x.nodes
    order = _ORDER.get(x.code, len(_ORDER))
    return x.weak, not x.exact, 0.0 if x.exact else -x.explained, order, not placed
