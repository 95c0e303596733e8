"""The order in which a plan's tasks run, and how long each value is needed."""

from __future__ import annotations

from math import prod
from typing import Final

from gradproof_service.transforms.evaluate import Step
from gradproof_service.transforms.plans.draft import Draft, Region, Task

CACHED_BYTES: Final = 2 << 20
"""Arrays up to this stay in the cache of one core between two ops."""
MANY: Final = 6
"""Ops from which blocks pay for such arrays too."""


def schedule(draft: Draft) -> tuple[list[Task], list[int]]:
    """Tasks level by level, straight ones first, and the last use of every value."""
    _postpone(draft)
    tasks: list[Task] = []
    top = max([*draft.straight, *(level for _, level in draft.regions)], default=-1)
    for level in range(top + 1):
        tasks += draft.straight.get(level, ())
        for (_, at), region in draft.regions.items():
            if at == level:
                tasks += [region] if _pays(draft, region) else _apart(draft, region)
    last = [-1] * len(draft.shapes)
    users: list[set[int]] = [set() for _ in draft.shapes]
    for n, task in enumerate(tasks):
        for step in (task,) if isinstance(task, Step) else (*task.steps, *task.sums):
            for v in step.operands:
                last[v] = n
                users[v].add(n)
    for v in draft.graph.outputs:
        last[v] = len(tasks)
    for n, task in enumerate(tasks):
        if isinstance(task, Region):
            inside = {step.first for step in task.steps}
            rows = dict.fromkeys(
                v for step in (*task.steps, *task.sums) for v in step.operands
                if v not in inside and _is_entry(draft, v, step, task)
            )  # fmt: skip
            task.entries = list(rows)
            task.exits = [v for v in inside if users[v] - {n} or last[v] == len(tasks)]
    return tasks, last


def _postpone(draft: Draft) -> None:
    """Move nodes of a region to the later one that uses them, where what they read is kept for it anyway.

    A slope such as 1 - y^2 is then not written out in full beside the y it is made of.
    """
    users: dict[int, list[Step | None]] = {v: [None] for v in draft.graph.outputs}
    regions = sorted(draft.regions.values(), key=lambda r: -r.level)
    for steps in (*draft.straight.values(), *(r.sums for r in regions)):
        for step in steps:
            for v in step.operands:
                users.setdefault(v, []).append(None)
    for region in regions:
        for step in region.steps:
            for v in step.operands:
                users.setdefault(v, []).append(step)
    for region in regions:
        _move(draft, region, users)


def _move(draft: Draft, region: Region, users: dict[int, list[Step | None]]) -> None:
    """Move a group of one region's nodes that ends in one later region and begins at values kept anyway."""
    here = {step.first: step for step in region.steps}
    target: dict[int, Region] = {}
    for step in reversed(region.steps):
        found = {
            target.get(u.first) or draft.rowwise[u.first] if isinstance(u, Step) else None
            for u in users.get(step.first, ())
        }
        goal = found.pop() if len(found) == 1 else None
        if goal is not None and goal is not region and goal.space == region.space:
            target[step.first] = goal
    changed = True
    while changed and target:
        changed = False
        for v in list(target):
            reads = [u for u in here[v].operands if u in here]
            stays = any(u not in target and _inside(users[u], here) for u in reads)
            kept = any(
                isinstance(u, Step) and u.first in here and u.first not in target for u in users[v]
            )
            if stays or kept:
                del target[v]
                changed = True
    for step in reversed(list(region.steps)):
        goal = target.get(step.first)
        if goal is not None:
            region.steps.remove(step)
            goal.steps.insert(0, step)
            draft.rowwise[step.first] = goal
            draft.level[step.first] = goal.level


def _inside(users: list[Step | None], here: dict[int, Step]) -> bool:
    """Whether only this region's nodes read a value, so that a move would have it written out."""
    return all(isinstance(u, Step) and u.first in here for u in users)


def _pays(draft: Draft, region: Region) -> bool:
    """Whether blocks save more than they cost: whole arrays that fit in the cache are as quick for a few ops."""
    count = len(region.steps) + len(region.sums)
    values = [*(s.first for s in region.steps), *(s.operands[0] for s in region.sums)]
    widest = max(prod(draft.shapes[v]) * draft.graph.types[v].dtype.itemsize for v in values)
    return count > 1 and (count >= MANY or widest > CACHED_BYTES)


def _apart(draft: Draft, region: Region) -> list[Task]:
    """A region's nodes as ordinary calls, one after the other."""
    for step in region.steps:
        draft.rowwise[step.first] = None
    for step in region.sums:
        draft.fixed[step.first] = draft.small(step.first)
    return [*region.steps, *region.sums]


def _is_entry(draft: Draft, v: int, step: Step, region: Region) -> bool:
    if step.site.op.reduces or step.site.op.moves:
        return True
    shape = draft.shapes[v]
    y = draft.shapes[step.first]
    if region.space[0] == "flat":
        return prod(shape) == region.space[1]
    return len(shape) > 0 and shape[0] == region.space[1] and (
        draft.batched[v] or len(shape) == len(y)
    )  # fmt: skip
