"""Graphs of single numbers as Python on floats: a float operation costs a tenth of a NumPy call."""
