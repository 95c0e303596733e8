"""What every test shares: Hypothesis profiles that make a test reproducible."""

from __future__ import annotations

import signal

from hypothesis import HealthCheck, settings

# A job in the background of a shell ignores Ctrl-C, and so would every process that a test starts and interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Derandomized: the same examples on each run, so a red test is about the change at hand.
# No deadline and no complaint about slowness: a busy machine is not a fault of the code.
settings.register_profile(
    "default",
    max_examples=50,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)

# Asked for by name, `--hypothesis-profile=long`: many examples, new ones each time, and with a
# failure the blob that replays it.
settings.register_profile(
    "long",
    max_examples=2000,
    derandomize=False,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)

settings.load_profile("default")
