"""The options of a request, checked and written as a message."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Final

from gradproof_proto.v1 import check_pb2 as pb

from gradproof._errors import RequestError

KINDS: Final = {
    "gradient": pb.DERIVATIVE_KIND_GRADIENT,
    "jacobian": pb.DERIVATIVE_KIND_JACOBIAN,
    "vjp": pb.DERIVATIVE_KIND_VJP,
    "jvp": pb.DERIVATIVE_KIND_JVP,
    "hessian": pb.DERIVATIVE_KIND_HESSIAN,
    "hvp": pb.DERIVATIVE_KIND_HVP,
}
"""The kinds of derivative by their names on the Python side."""
PROFILES: Final = {
    "numpy": pb.PROFILE_NUMPY,
    "torch": pb.PROFILE_TORCH,
    "jax": pb.PROFILE_JAX,
    "": pb.PROFILE_UNSPECIFIED,
}


def options(
    *,
    wrt: Sequence[str] = (),
    outputs: Sequence[str] = (),
    rtol: float | None = None,
    atol: float | None = None,
    tau: float | None = None,
    rng_seed: int = 0,
    profile: str = "",
    order: int = 1,
    witness_evaluations: int | None = None,
    suppress: Sequence[str] = (),
    evidence: bool = False,
    select: Sequence[str] = (),
    prove: bool = False,
) -> pb.Options:
    """The message; raises `RequestError` for a value that cannot be meant."""
    for name, value in (("rtol", rtol), ("atol", atol), ("tau", tau)):
        if value is not None and not (isfinite(value) and value >= 0):
            raise RequestError(
                f"{name}: expected a number of zero or more, {value} came", field_path=name
            )
    if order not in (1, 2):
        raise RequestError(f"order: expected 1 or 2, {order} came", field_path="order")
    if profile not in PROFILES:
        raise RequestError(
            f"profile: expected numpy, torch or jax, {profile!r} came", field_path="profile"
        )
    if not 0 <= rng_seed < 2**64:
        raise RequestError(
            f"rng_seed: expected a whole number from 0 below 2**64, {rng_seed} came",
            field_path="rng_seed",
        )
    return pb.Options(
        wrt=wrt,
        outputs=outputs,
        rtol=rtol,
        atol=atol,
        tau=tau,
        rng_seed=rng_seed,
        profile=PROFILES[profile],
        order=order,
        witness_evaluations=witness_evaluations,
        suppress=suppress,
        evidence=evidence,
        select=select,
        prove=prove,
    )
