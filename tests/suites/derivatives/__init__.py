"""Hand-written derivatives as people write them, and how each can be spoiled."""

from tests.suites.derivatives import (
    algebra,
    classics,
    dynamics,
    geometry,
    layers,
    losses,
    normalisation,
    probability,
    sequences,
)

SUBJECTS = tuple(
    subject
    for module in (
        layers,
        normalisation,
        losses,
        sequences,
        probability,
        dynamics,
        geometry,
        algebra,
        classics,
    )
    for subject in module.SUBJECTS
)
