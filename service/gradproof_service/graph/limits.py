"""Limits on what is taken in, one row each; judged before anything is allocated."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may ask for; a limit reached is a refusal with its name and number."""

    nodes: int = 5_000_000
    """Nodes in one program."""
    elements: int = 1 << 28
    """Elements of one array (2 GiB of float64)."""
    live_elements: int = 1 << 29
    """Elements held at once by one evaluation, all points and seeds of a batch together (4 GiB)."""
    call_depth: int = 64
    """Functions calling functions."""
    jacobian_elements: int = 1 << 26
    """Elements of one dense Jacobian block (512 MiB of float64)."""


DEFAULT_LIMITS = Limits()
