"""Sparse derivatives: what a Jacobian's structure is, and how few numbers it takes to fill it."""
