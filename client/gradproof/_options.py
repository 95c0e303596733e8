"""The options of a request, checked and written as a message."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Any, Final, TypedDict, Unpack, cast

from gradproof_proto.v1 import check_pb2 as pb

from gradproof._errors import RequestError
from gradproof._words import KIND_NAMES, PROFILE_NAMES

KINDS: Final = {
    name: cast("pb.DerivativeKind", pb.DerivativeKind.Value(f"DERIVATIVE_KIND_{name.upper()}"))
    for name in KIND_NAMES
}
"""The kinds of derivative by their names on the Python side."""
PROFILES: Final = {
    **{name: pb.Profile.Value(f"PROFILE_{name.upper()}") for name in PROFILE_NAMES},
    "": pb.PROFILE_UNSPECIFIED,
}


class CheckOptions(TypedDict, total=False):
    """What may be asked of every check; what is left out is as the service has it. `Client.check` tells of each."""

    rtol: float | None
    atol: float | None
    tau: float | None
    rng_seed: int
    profile: str
    order: int
    witness_evaluations: int | None
    suppress: Sequence[str]
    select: Sequence[str]
    evidence: bool
    prove: bool


CHECK_OPTIONS: Final = tuple(CheckOptions.__annotations__)


def options(
    *, wrt: Sequence[str] = (), outputs: Sequence[str] = (), **asked: Unpack[CheckOptions]
) -> pb.Options:
    """The message; raises `RequestError` for an option that is none or a value that cannot be meant."""
    for name in asked:
        if name not in CHECK_OPTIONS:
            from difflib import get_close_matches

            near = get_close_matches(name, CHECK_OPTIONS, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(CHECK_OPTIONS)}"
            raise RequestError(f"{name}: a check has no such option; {hint}", field_path=name)
    for name in ("rtol", "atol", "tau"):
        value = asked.get(name)
        if value is not None and not (isfinite(value) and value >= 0):
            raise RequestError(
                f"{name}: expected a number of zero or more, {value} came", field_path=name
            )
    order = asked.setdefault("order", 1)
    if order not in (1, 2):
        raise RequestError(f"order: expected 1 or 2, {order} came", field_path="order")
    profile = asked.get("profile", "")
    if profile not in PROFILES:
        raise RequestError(
            f"profile: expected numpy, torch or jax, {profile!r} came", field_path="profile"
        )
    rng_seed = asked.get("rng_seed", 0)
    if not 0 <= rng_seed < 2**64:
        raise RequestError(
            f"rng_seed: expected a whole number from 0 below 2**64, {rng_seed} came",
            field_path="rng_seed",
        )
    named: dict[str, Any] = {**asked, "profile": PROFILES[profile]}
    return pb.Options(wrt=wrt, outputs=outputs, **named)
