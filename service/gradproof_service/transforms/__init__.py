"""Plans, evaluation, both modes, Jacobians: pure functions from graphs and arrays to the same."""
