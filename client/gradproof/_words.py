"""Words that more than one room reads. Nothing is imported here, so that reading them costs nothing."""

from __future__ import annotations

from typing import Final

PRODUCER: Final = "gradproof"
PRODUCER_VERSION: Final = "0.1.0"
KIND_NAMES: Final = ("gradient", "jacobian", "vjp", "jvp", "hessian", "hvp")
"""What a claim may return."""
PROFILE_NAMES: Final = ("numpy", "torch", "jax")
"""Whose convention may decide at kinks."""
SERVER_VARIABLE: Final = "GRADPROOF_SERVER"
"""The variable that names a service; without it the service runs in this process."""
