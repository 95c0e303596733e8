"""What is said of a claim's line, and where it stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gradproof_service.checking.causes.known import Likeness
from gradproof_service.checking.causes.reading import Reading, maker
from gradproof_service.diagnostic import Location

LINES = 4
"""Most lines that are named; more would say nothing."""


@dataclass(frozen=True, slots=True)
class Culprit:
    """The claim's line: a sentence, the labels of the claim's nodes, and where they stand."""

    text: str
    nodes: tuple[str, ...]
    locations: tuple[Location, ...]
    step: str = ""
    """What the accused value lacks or has too much of, when that is a factor with a name."""
    factor: float = 0.0
    """What the accused value must be multiplied by, 0 when it is not off by a factor."""
    code: str = ""
    """The class of mistake, "" when the proof does not show it."""
    faint: bool = False
    """Whether other classes would fit as well."""
    mends: int = 1
    """How many of the claim's wrong answers come right by the proof."""


def said(r: Reading, values: Sequence[int], text: str) -> Culprit:
    """The accusation of these values of the claim."""
    made = r.claim.producer()
    nodes = [made[v] for v in values]
    places = dict.fromkeys(r.claim.location(n) for n in nodes)
    labels = tuple(dict.fromkeys(r.claim.node_label(n) for n in nodes))
    return Culprit(f"in the claim {text}", labels, tuple(p for p in places if p))


def extended(r: Reading, found: Culprit, more: Sequence[int]) -> Culprit:
    """The accusation with more values that could be meant, as far as so many lines still say something."""
    made = r.claim.producer()
    places = dict.fromkeys((*found.locations, *(r.claim.location(made[u]) for u in more)))
    labels = dict.fromkeys((*found.nodes, *(r.claim.node_label(made[u]) for u in more)))
    return replace(
        found, nodes=tuple(labels)[:LINES], locations=tuple(p for p in places if p)[:LINES]
    )


def operands(r: Reading, v: int) -> str:
    """What the operands of a value are known as, as the tail of a sentence."""
    named = [told(r.alike[u][0]) for u in r.steps[maker(r, v)].operands if r.alike.get(u)]
    return f" while its operands do ({', '.join(dict.fromkeys(named))})" if named else ""


def told(alike: Likeness) -> str:
    """A likeness in words."""
    times = "" if alike.factor == 1.0 else f"{alike.factor:.6g} * "
    turned = ", transposed" if alike.transposed else ""
    return f"{times}{alike.known.label}{turned}"


def label(r: Reading, v: int) -> str:
    """How a person would name the node of the claim that makes a value."""
    return r.claim.node_label(r.claim.producer()[v])
