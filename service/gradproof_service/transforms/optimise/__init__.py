"""Passes from a graph to a graph that computes the same bits with less: see `rewrite`, `identities` and `scans`."""

from gradproof_service.transforms.optimise.rewrite import optimise

__all__ = ["optimise"]
