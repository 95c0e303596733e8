"""Recording NumPy functions as programs: what each road does, and which one carries a function.

`carry` never fails because a function cannot be recorded: then it is a black box, and the origin
says why. It fails when the function itself fails at the point.
"""

from gradproof._tracing.roads import Carried, carry, carry_at

__all__ = ["Carried", "carry", "carry_at"]
