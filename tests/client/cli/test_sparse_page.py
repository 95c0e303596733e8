"""`jacobian` and `hessian` print sparse derivatives as their shape, their entries and a table."""

from __future__ import annotations

import json

import scipy.sparse as sp

from tests.client.cli.harness import gradproof

CHAIN = "x[1:] * x[:-1]"
AT = "x=[1, 2, 3, 4, 5, 6, 7, 8]"


def test_a_table_of_the_first_entries() -> None:
    """Shape, number of entries, each of the first with its index, and how many more there are."""
    code, out, err = gradproof("jacobian", CHAIN, "--at", AT, "--sparse")
    lines = out.splitlines()
    assert (code, err) == (0, "")
    assert lines[0] == "sparse 7 x 8, 14 entries stored"
    assert lines[1].split() == ["[0,", "0]", "2"]
    assert lines[2].split() == ["[0,", "1]", "1"]
    assert lines[-1] == "  and 2 more; --format json has them all"


def test_json_reads_back() -> None:
    """The record is what scipy.sparse takes, and holds the dense numbers."""
    _, out, _ = gradproof("jacobian", CHAIN, "--at", AT, "--sparse", "--format", "json")
    record = json.loads(out)["derivatives"][0]
    found = sp.csr_array(
        (record["value"], record["columns"], record["row_starts"]), shape=record["matrix_shape"]
    )
    _, out, _ = gradproof("jacobian", CHAIN, "--at", AT, "--format", "json")
    assert found.toarray().tolist() == json.loads(out)["derivatives"][0]["value"]


def test_small_ones_come_dense_by_themselves() -> None:
    """Without the option eight numbers are a matrix."""
    _, out, _ = gradproof("hessian", "sum(x**3)", "--at", "x=[1, 2]")
    assert out.startswith("[[")
    _, out, _ = gradproof("hessian", "sum(x**3)", "--at", "x=[1, 2]", "--sparse")
    assert out.splitlines() == ["sparse 2 x 2, 2 entries stored", "  [0, 0]  6", "  [1, 1]  12"]
