"""`eval`, `grad`, `jacobian`, `hessian`: the numbers themselves, whole and exact."""

from __future__ import annotations
