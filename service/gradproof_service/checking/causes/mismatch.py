"""One disagreement laid out for a search for its cause: what was claimed, what is right, the doubt.

Both sides are rows: rows of a Jacobian, one per output element, or what a vjp made of given
seeds. A proposed cause is judged by one number: how much of the difference it explains once
differences within the error bars are forgiven.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from gradproof_service.arrays import Array, Shape
from gradproof_service.checking.scene import Scene
from gradproof_service.diagnostic import Location

SHARP = 6.0
"""How many bars the difference must measure before its form is read at all."""
WORK_LIMIT = 2e7
"""Most array elements that one batch of derivatives at other points may touch."""


@dataclass(frozen=True, slots=True)
class Match:
    """One cause that fits: its code, a sentence with numbers, the fraction explained.

    `exact`: nothing beyond the error bars is left over. `nodes` and `locations` name where, when
    the cause is about a place in the graph. `weak`: true but saying little; shown last.
    """

    code: str
    text: str
    explained: float
    exact: bool
    nodes: tuple[str, ...] = ()
    locations: tuple[Location, ...] = ()
    weak: bool = False


@dataclass(slots=True)
class Mismatch:
    """A wrong claim about output `o` by input `i`: `claimed`, `reference` and `bar` are (R, n).

    `seeds` (R, m) are the cotangents that made the rows; None: the rows are the Jacobian's own.
    With `tangents` (R, n) the three are (R, m) instead: what a jvp made of these tangents.
    """

    scene: Scene
    o: int
    i: int
    claimed: Array
    reference: Array
    bar: Array
    seeds: Array | None = None
    tangents: Array | None = None

    @property
    def gap(self) -> Array:
        """Claimed minus reference."""
        return self.claimed - self.reference

    @property
    def in_shape(self) -> Shape:
        """Shape that each row has: the input's, for a jvp the output's."""
        if self.tangents is not None:
            return self.scene.graph.types[self.scene.graph.outputs[self.o]].shape
        return self.scene.graph.types[self.i].shape

    @property
    def lead_shape(self) -> Shape:
        """Shape in front of that: the output's, or one axis of seeds."""
        if self.own_rows:
            return self.scene.graph.types[self.scene.graph.outputs[self.o]].shape
        return (len(self.claimed),)

    @property
    def own_rows(self) -> bool:
        """Whether the rows are the Jacobian's own and not made of seeds."""
        return self.seeds is None and self.tangents is None

    @property
    def input_name(self) -> str:
        """Name of what the rows' axes belong to."""
        if self.tangents is not None:
            return self.scene.graph.output_names[self.o]
        return self.scene.graph.inputs[self.i]

    @property
    def wrong(self) -> Array:
        """Entries that differ beyond their bar."""
        return np.abs(self.gap) > self.bar

    @property
    def sharp(self) -> bool:
        """Whether the difference stands so far above the noise that its form can be read."""
        wrong = self.wrong
        return bool(np.linalg.norm(self.gap[wrong]) > SHARP * np.linalg.norm(self.bar[wrong]))

    def significant(self, array: Array) -> Array:
        """Entries of an array of this form that stand above the noise floor."""
        top = float(np.abs(array).max(initial=0.0))
        return np.abs(array) > np.maximum(10 * self.bar, 1e-13 * top)

    def score(self, prediction: Array, where: Array | None = None) -> tuple[float, bool]:
        """(fraction of the difference explained, whether nothing beyond the bars is left).

        `prediction` is what the claim would be; entries outside `where` count as unexplained.
        """
        with np.errstate(all="ignore"):
            left = np.abs(self.claimed - prediction)
            noise = self.bar + 1e-11 * np.maximum(np.abs(self.claimed), np.abs(prediction))
            beyond = np.where(left <= noise, 0.0, left)
        if where is not None:
            beyond = np.where(where, beyond, np.abs(self.gap))
        if not np.isfinite(beyond).all():
            return 0.0, False
        total = float(np.linalg.norm(self.gap))
        explained = 1.0 - float(np.linalg.norm(beyond)) / total if total > 0 else 0.0
        return max(explained, 0.0), not beyond.any()

    def matched(
        self, code: str, text: str, prediction: Array, *, least: float = 0.95, weak: bool = False
    ) -> Iterable[Match]:
        """The match when this prediction of the claim explains at least that fraction."""
        if prediction.shape == self.claimed.shape:
            explained, exact = self.score(prediction)
            if explained >= least:
                yield Match(code, text, explained, exact, weak=weak)

    def rows(self) -> Array:
        """The cotangents of the rows as (R, m)."""
        if self.seeds is not None:
            return self.seeds
        return np.eye(self.scene.size_out(self.o))


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """One form that a difference can take, and how it is recognised."""

    code: str
    name: str
    meaning: str
    test: Callable[[Mismatch], Iterable[Match]]
    shapeless: bool = False
    """Needs no derivative at other points and no value of an input's shape: also fit for a jvp."""


def blocks(m: Mismatch, array: Array) -> Array:
    """(R, n) as (R, *shape of a row)."""
    return array.reshape(len(array), *m.in_shape)


def plural(count: int, word: str) -> str:
    """`1 entry`, `7 entries`."""
    if count == 1:
        return f"1 {word}"
    return f"{count} {word[:-1]}ies" if word.endswith("y") else f"{count} {word}s"
