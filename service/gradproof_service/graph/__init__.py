"""The immutable typed graph: programs, type inference, building, limits."""
