"""One whole check: reference, witness, claims, verdicts."""
