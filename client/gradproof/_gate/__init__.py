"""The gate: the cases of a repository, each checked and held against its committed baseline.

The record of a run is in `result.py`; everything that shows, writes or acts on it starts there.
"""
