"""Where the lanes' derivatives go in a sparse matrix, found once: rows sorted, places as strides wherever they are regular."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradproof_service.arrays import Array
from gradproof_service.transforms.sparsity.pattern import Pattern, need


@dataclass(frozen=True, slots=True)
class Strided:
    """Lane l goes to, or comes from, place `start + step * l`."""

    start: int
    step: int


@dataclass(frozen=True, slots=True)
class Rowwise:
    """Lane l is in row l // width of rows that begin `start`, `start + step`, ...: a block of a larger matrix."""

    start: int
    step: int
    width: int


@dataclass(frozen=True, slots=True)
class Listed:
    """Lane l goes to, or comes from, place `at[l]`; -1: nowhere."""

    at: Array


Places = Strided | Rowwise | Listed


@dataclass(frozen=True, slots=True)
class Assembly:
    """The pattern, and for each group of lanes and each of its variables the entries its derivatives make."""

    pattern: Pattern
    places: tuple[tuple[Places, ...], ...]
    summed: bool
    """Whether two derivatives may meet in one entry."""


def assembled(groups: Sequence[tuple[Array, Sequence[Array]]], rows: int, width: int) -> Assembly:
    """The matrix that groups of (output rows, columns of each variable) fill; each row is in one group.

    A column array of one element stands for all lanes; -1 is no column. Raises `TooDense` for too many entries.
    """
    need(sum(len(at) * len(columns) for at, columns in groups))
    tables = [_keys(at, columns, width) for at, columns in groups]
    key = np.concatenate([np.zeros(0, np.int64), *(t.reshape(-1) for t, _ in tables)])
    sorted_already = not len(key) or bool(key[0] >= 0 and (key[1:] > key[:-1]).all())
    if sorted_already:
        ranked, fresh, place = key, None, None
    else:
        order = np.argsort(key, kind="stable")
        order = order[np.searchsorted(key[order], 0) :]
        ranked = key[order]
        fresh = np.ones(len(ranked), dtype=bool)
        fresh[1:] = ranked[1:] != ranked[:-1]
        place = np.full(len(key), -1)
        place[order] = np.cumsum(fresh) - 1
        ranked = ranked[fresh]
    found: list[tuple[Places, ...]] = []
    at = 0
    for table, order in tables:
        lanes, count = table.shape
        told: list[Places] = [Strided(0, 0)] * count
        for j, k in enumerate(order):
            if place is None:
                told[k] = Strided(at + j, count)
            else:
                told[k] = places_of(place[at + j : at + table.size : count])
        at += lanes * count
        found.append(tuple(told))
    return Assembly(
        _pattern(ranked, rows, width), tuple(found), fresh is not None and not fresh.all()
    )


def places_of(at: Array) -> Places:
    """The places as strides when they are regular, else as they are."""
    if len(at) == 1:
        return Strided(int(at[0]), 0)
    step = int(at[1] - at[0])
    if at[0] >= 0 and at[-1] == at[0] + step * (len(at) - 1) and step > 0:
        jumps = at[1:] - at[:-1]
        if (jumps == step).all():
            return Strided(int(at[0]), step)
    if step == 1 and at[0] >= 0:
        return _rowwise(at)
    return Listed(at)


def _rowwise(at: Array) -> Places:
    jumps = at[1:] - at[:-1]
    turns = np.flatnonzero(jumps != 1)
    width = int(turns[0]) + 1 if len(turns) else len(at)
    if len(at) % width or width < 16:
        return Listed(at)
    table = at.reshape(-1, width)
    step = int(table[1, 0] - table[0, 0]) if len(table) > 1 else 0
    regular = (
        (turns == np.arange(width - 1, len(at) - 1, width)).all()
        if len(turns) == len(table) - 1
        else False
    )
    if step < 0 or not regular or (np.diff(table[:, 0]) != step).any():
        return Listed(at)
    return Rowwise(int(at[0]), step, width)


def _keys(rows: Array, columns: Sequence[Array], width: int) -> tuple[Array, list[int]]:
    """Row-major addresses (lanes, variables) of the entries, and which variable each column is: ordered as in the middle lane."""
    middle = len(rows) // 2
    order = sorted(
        range(len(columns)), key=lambda k: int(columns[k][middle if len(columns[k]) > 1 else 0])
    )
    keys = np.empty((len(rows), len(columns)), np.int64)
    first = rows * width
    for j, k in enumerate(order):
        np.add(first, columns[k], out=keys[:, j])
        missing = columns[k] < 0
        if missing.any():
            keys[np.broadcast_to(missing, len(rows)), j] = -1
    return keys, order


def _pattern(keys: Array, rows: int, width: int) -> Pattern:
    """The pattern of sorted distinct row-major addresses."""
    index = np.int32 if max(width, len(keys)) < 2**31 - 1 else np.int64
    row = keys // max(width, 1)
    columns = (keys - row * width).astype(index)
    starts = np.zeros(rows + 1, index)
    starts[1:] = np.cumsum(np.bincount(row, minlength=rows))
    return Pattern(starts, columns, width)
