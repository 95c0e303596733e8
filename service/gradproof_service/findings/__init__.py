"""The catalogue of findings: what gradproof can tell about a graph, beside its verdict.

One file for each family of codes, one record for each finding. Nothing here knows protobuf, and
nothing here judges a derivative: verdicts are the floor below.
"""
