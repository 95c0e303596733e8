"""Clauses about single numbers of a record, the same wherever they are said."""

from __future__ import annotations

from gradproof._gate.result import Agreement, Drift


def drift_sentence(d: Drift) -> str:
    """One drift as a clause: what moved, by how much, where, and what had to match."""
    at = f" at {list(d.worst_index)}" if d.worst_index else ""
    if d.ulps == float("inf") and d.fingerprint and not d.tolerance_digits:
        return f"{d.quantity}: {d.fingerprint}"
    print_ = f" ({d.fingerprint})" if d.fingerprint else ""
    return (
        f"{d.quantity} moved by {d.relative:+.2g}{at}: was {d.then:.12g}, is {d.now:.12g}{print_};"
        f" {d.digits:.1f} digits match, {d.tolerance_digits:.1f} have to"
    )


def numbers(a: Agreement) -> str:
    """The worst entry of two sources, and how many entries are wrong."""
    at = f"{list(a.worst_index)}: " if a.worst_index else ""
    wrong = f"{a.entries_wrong} of {a.entries} entries wrong, worst " if a.entries > 1 else ""
    return f"{wrong}{at}{a.claimed:.10g} against {a.reference:.10g} ± {a.error_bar:.2g}"
