"""Checks whose pages the tests look at."""

from __future__ import annotations

from html.parser import HTMLParser

import gradproof as gp
import numpy as np

VOID = frozenset({"meta", "link", "input", "br", "img"})
HOSTILE = '''"""<script>alert(1)</script>"""
import numpy as np


def f(x):
    """<b>bold</b>"""
    return np.sum(np.tanh(x) * "<b>bold</b>".count("b"))


def df(x):
    return 4 * (1 - np.tanh(x) ** 2) * 0.5  # <b>bold</b>
'''
A = np.random.default_rng(0).standard_normal((4, 5))


def f(x: np.ndarray) -> np.ndarray:
    """A layer."""
    return np.tanh(A @ x) + np.exp(-A @ x)


def jacobian(x: np.ndarray) -> np.ndarray:
    """Its Jacobian with one entry one per mille too large."""
    z = A @ x
    slope = 1 - np.tanh(z) ** 2 - np.exp(-z)
    J = slope[:, None] * A
    J[2, 1] *= 1.001
    return J


def wrong_jacobian() -> gp.Report:
    """The report of that claim, with evidence."""
    return gp.check(
        f, at=(np.linspace(-1, 1, 5),), claim=jacobian, claim_kind="jacobian", evidence=True
    )


class Balanced(HTMLParser):
    """Reads a page and fails on a tag that does not match."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Open."""
        self.seen.append(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Close the last one."""
        if tag not in VOID:
            assert self.open.pop() == tag


def balanced(page: str) -> list[str]:
    """The tags of a page whose tags all match."""
    parser = Balanced()
    parser.feed(page)
    assert not parser.open
    return parser.seen
