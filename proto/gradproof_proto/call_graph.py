"""Orders over the graph of functions: cycles, callees first, and components that reach each other. Nothing here recurses."""

from __future__ import annotations

from collections.abc import Sequence

Edges = Sequence[Sequence[int]]


def components(edges: Edges) -> list[list[int]]:
    """The strongly connected components, those that are pointed to before those that point (Tarjan 1972)."""
    count = len(edges)
    number = [-1] * count
    lowest = [0] * count
    open_ = [False] * count
    path: list[int] = []
    found: list[list[int]] = []
    clock = 0
    for root in range(count):
        if number[root] >= 0:
            continue
        work = [(root, 0)]
        while work:
            node, position = work.pop()
            if position == 0:
                number[node] = lowest[node] = clock
                clock += 1
                path.append(node)
                open_[node] = True
            else:
                lowest[node] = min(lowest[node], lowest[edges[node][position - 1]])
            targets = edges[node]
            while position < len(targets):
                target = targets[position]
                position += 1
                if number[target] < 0:
                    work.append((node, position))
                    work.append((target, 0))
                    break
                if open_[target]:
                    lowest[node] = min(lowest[node], number[target])
            else:
                if lowest[node] == number[node]:
                    found.append(_pop_until(path, node, open_))
    return found


def _pop_until(path: list[int], node: int, open_: list[bool]) -> list[int]:
    component: list[int] = []
    while not component or component[-1] != node:
        component.append(path.pop())
        open_[component[-1]] = False
    return sorted(component)


def find_cycle(edges: Edges) -> list[int]:
    """One closed path, its first function repeated at the end; empty when no function reaches itself."""
    for component in components(edges):
        start = component[0]
        if len(component) == 1 and start not in edges[start]:
            continue
        inside = set(component)
        came_from = {target: start for target in edges[start] if target in inside}
        queue = list(came_from)
        for node in queue:
            if start in came_from:
                break
            for target in edges[node]:
                if target in inside and target not in came_from:
                    came_from[target] = node
                    queue.append(target)
        back = [start]
        while len(back) == 1 or back[-1] != start:
            back.append(came_from[back[-1]])
        return back[::-1]
    return []
