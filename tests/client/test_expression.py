"""Expression strings: they mean what Python means, nothing runs, and every refusal names its column."""

from __future__ import annotations

import ast
import time
from typing import Any

import gradproof as gp
import numpy as np
import pytest
from gradproof import TargetError, expression
from gradproof._expression import MAX_DEPTH
from gradproof_proto.reader import read
from hypothesis import given
from hypothesis import strategies as st

POINT = {
    "x": np.array([0.5, 1.25, 2.0]),
    "y": np.array([1.5, -0.5, 0.25]),
    "a": np.array(0.75),
    "m": np.array([[2.0, 0.5, 0.1], [0.5, 3.0, -0.5], [0.1, -0.5, 1.5]]),
    "i": np.array([2, 0]),
}
SAME_AS_PYTHON = [
    "x**3 + 2*x",
    "-x**2",
    "2**-a",
    "2**3**a",
    "(2**3)**a",
    "-a**-x",
    "a - x - y",
    "a / x / 2",
    "x // 0.3 * 2 % 3",
    "x*y + m @ x",
    "x @ m @ y",
    "sum(sin(x)**2) / 3",
    "np.sum(np.exp(x), axis=0)",
    "np.mean(m, axis=(0, 1))",
    "np.max(m, axis=1, keepdims=True)",
    "m.sum(axis=0) + x.mean()",
    "m.T @ x",
    "np.linalg.norm(x)",
    "np.where(x > 1, x, 0.1*y)",
    "np.clip(x, 0.6, 1.5)",
    "maximum(x, y) + minimum(x, 1)",
    "x[0] + x[-1] * m[1, 2]",
    "m[1:, ::2]",
    "m[..., None, 0]",
    "x[i] + m[i, 0]",
    "stack([x, y], axis=0)[1]",
    "concatenate([x, y])",
    "x.reshape(3, 1) * y",
    "pi * e + tau",
    "1e-3 * x + .5 + 1_000",
    "(x > 1) & (y < 1) | ~(x < 0.6)",
    "np.var(m, axis=0, ddof=1)",
    "trace(m) + np.linalg.det(m)",
    "einsum('ij,j->i', m, x)",
    "cosh(x) - sinh(y) + hypot(x, y) + log2(x) + log10(x)",
    "cumsum(m, axis=1)",
    "round(x) + floor(y)",
    "[x, y]",
    "[[1.0, 2.0], [3.0, a]]",
]
_NUMPY = (
    *("sum", "sin", "maximum", "minimum", "stack", "concatenate", "trace", "einsum", "cosh"),
    *("sinh", "hypot", "log2", "log10", "cumsum", "round", "floor"),
)
NAMES: dict[str, Any] = {
    "np": np,
    "pi": np.pi,
    "e": np.e,
    "tau": 2 * np.pi,
    **{n: getattr(np, n) for n in _NUMPY},
}


@pytest.fixture(scope="module")
def client() -> gp.Client:
    """The service in this process."""
    from gradproof._transport import embedded

    return gp.Client(embedded())


@pytest.mark.parametrize("text", SAME_AS_PYTHON)
def test_an_expression_means_what_python_means(text: str, client: gp.Client) -> None:
    """Its value is that of the same text run by Python with NumPy's functions."""
    program = expression(text)
    read(program.message)
    want = np.asarray(eval(text, dict(NAMES), dict(POINT)))
    got = client.evaluate(program, at={n: POINT[n] for n in program.inputs})
    assert got.shape == want.shape
    np.testing.assert_allclose(got, want, rtol=1e-13)


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("x if a > 0.5 else y", lambda x, y, a: x if a > 0.5 else y),
        ("x if a > 1 else y if a > 0.7 else 2*x", lambda x, y, a: y),
        ("0.5 < a < 1", lambda x, y, a: np.array(True)),
        ("0.5 < a < 0.7", lambda x, y, a: np.array(False)),
        ("not (a > 1 or a < 0) and a != 0", lambda x, y, a: np.array(True)),
        (
            "max(x, 1) + min(y, 0, x)",
            lambda x, y, a: np.maximum(x, 1) + np.minimum(0, np.minimum(x, y)),
        ),
        ("max(x) - min(x)", lambda x, y, a: np.max(x) - np.min(x)),
        ("log(x, 2)", lambda x, y, a: np.log2(x)),
        ("scipy.special.expit(x)", lambda x, y, a: 1 / (1 + np.exp(-x))),
    ],
)
def test_conditions_become_where(text: str, meaning: Any, client: gp.Client) -> None:
    """Conditional expressions, chained comparisons and Python's own max and min."""
    program = expression(text)
    got = client.evaluate(program, at={n: POINT[n] for n in program.inputs})
    np.testing.assert_allclose(got, meaning(POINT["x"], POINT["y"], POINT["a"]), rtol=1e-13)


def test_inputs_are_in_the_order_of_their_first_appearance() -> None:
    """Functions, modules, keywords, constants and attributes are no inputs."""
    program = expression("np.sum(b*a, axis=0) + pi*c.T + x.mean() + a")
    assert program.inputs == ("b", "a", "c", "x")
    assert expression("e*x", inputs=("x", "e")).inputs == ("x", "e")


def test_whole_numbers_are_points_of_the_real_line(client: gp.Client) -> None:
    """x = 3 gives the value 33 and the derivative 29."""
    value, slope = client.value_and_gradient("x**3 + 2*x", at={"x": 3})
    assert (value.dtype, value, slope) == (np.float64, 33.0, 29.0)


def test_a_top_level_tuple_is_several_outputs() -> None:
    """`x**2, sin(x)` returns two outputs."""
    assert expression("x**2, sin(x)").outputs == ("out0", "out1")


def test_nodes_know_their_columns() -> None:
    """Each node carries the line and columns of its part of the text."""
    columns = read(expression("x**3 +\n sin(y)").message)
    function = columns.functions[0]
    places = {
        columns.ops[o]: columns.locations[k]
        for o, k in zip(function.op.tolist(), function.loc.tolist(), strict=True)
    }
    assert places["gp.pow"][1:5] == (1, 1, 1, 5)
    assert places["gp.sin"][1:5] == (2, 2, 2, 8)
    assert places["gp.add"][1:5] == (1, 1, 2, 8)


REFUSED = [
    ("", "nothing came"),
    ("   # a comment", "nothing came"),
    ("x +", "column 4: the expression ends where a value was expected"),
    ("(x", "column 1: '(' is never closed"),
    ("x)", "column 2: ')' closes nothing"),
    ("(x]", "column 3: ']' closes nothing"),
    ("x y", "column 3: an operator was expected, 'y' came; write * for a product"),
    ("2x", "column 2: an operator was expected, 'x' came; write * for a product"),
    ("x(2)", "column 1: no function is called 'x'"),
    ("(x)(2)", "column 4: only a function's name can be called; write * for a product"),
    ("9" * 400, "too large"),
    ("sinn(x)", "column 1: no function is called 'sinn'; did you mean 'sin'?"),
    ("np.linalg.slv(x)", "no function is called 'slv'"),
    ("x.__class__", "column 3: no value has '__class__'"),
    ("x.__class__.__mro__[1]", "column 3"),
    ("__import__('os').system('true')", "column 1: no function is called '__import__'"),
    ("open('x')", "no function is called 'open'"),
    ("lambda: 1", "column 1: 'lambda' is no part of an expression"),
    ("[t for t in x]", "'for' came"),
    ("x := 2", "':=' came"),
    ("x = 2", "'=' came"),
    ("x; y", "column 2: ';' has no meaning here"),
    ("f'{x}'", "an operator was expected"),
    ("x if y", "column 3: 'if' needs an 'else'"),
    ("x else y", "column 3: 'else' has no 'if'"),
    ("(x if y) else 2", "'if' needs an 'else'"),
    ("x[a:b]", "a slice takes whole numbers"),
    ("x[1:2:3:4]", "at most three parts"),
    ("x[]", "nothing stands between the brackets"),
    ("()", "nothing stands between the brackets"),
    ("sin()", "sin: takes 1 argument, 0 came"),
    ("sin(x, y)", "sin: takes 1 argument, 2 came"),
    ("sum(x, axes=1)", "sum: got an unexpected keyword argument 'axes'"),
    ("'text'", "a value was expected, 'text' came"),
    ("None + x", "a value was expected, None came"),
    ("x + ...", "a value was expected, '...' came"),
    ("x \x00", "has no meaning here"),
    ("é$", "column 2"),
]


@pytest.mark.parametrize(("text", "message"), REFUSED)
def test_what_is_no_expression_is_told_in_one_sentence(text: str, message: str) -> None:
    """The column, what was expected and what came; never an exception of another kind."""
    with pytest.raises(TargetError) as told:
        expression(text)
    assert message in str(told.value)
    assert len(str(told.value)) < 200


HOSTILE = {
    "parentheses": "(" * 10_000 + "x" + ")" * 10_000,
    "brackets": "[" * 10_000,
    "subscripts": "x[" * 10_000,
    "calls": "sin(" * 10_000,
    "lists": "[" * 900 + "x" + "]" * 900,
    "tuples": "(" * 900 + "x" + ",)" * 900,
    "too long": "x" * 300_000,
}
LONG = {
    "sum": "+".join(["x"] * 5_000),
    "signs": "-" * 5_000 + "x",
    "powers": "x" + "**a" * 3_000,
    "conditions": "x if a else " * 3_000 + "x",
    "comparisons": "a" + "<a" * 3_000,
    "nested": "sin(" * (MAX_DEPTH - 1) + "x" + ")" * (MAX_DEPTH - 1),
    "digits": "9" * 300 + "*x",
    "towers": "9**9**9**9**9 * x",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_depth_and_length_are_refused(name: str) -> None:
    """One sentence that names the limit, at once."""
    begin = time.perf_counter()
    with pytest.raises(
        TargetError, match=r"more than 1000 deep|more than 32 deep|at most 200000 characters"
    ):
        expression(HOSTILE[name])
    assert time.perf_counter() - begin < 1.0


@pytest.mark.parametrize("name", LONG)
def test_long_expressions_are_ordinary_input(name: str) -> None:
    """Thousands of terms, signs or conditions are read without recursion, and nothing is evaluated."""
    begin = time.perf_counter()
    read(expression(LONG[name]).message)
    assert time.perf_counter() - begin < 3.0


@given(st.text(alphabet="xya01.,:+-*/%@<>=!&|^~()[] '\n#ifelsnotr_", max_size=40))
def test_any_text_is_a_program_or_a_sentence(text: str) -> None:
    """No text raises anything but `TargetError`, and what is accepted is a sound program."""
    try:
        program = expression(text)
    except TargetError:
        return
    read(program.message)


@given(
    st.recursive(
        st.sampled_from(["x", "y", "a", "2.5"]),
        lambda inner: st.one_of(
            st.tuples(inner, st.sampled_from(["+", "-", "*", "/", "<", "=="]), inner).map("".join),
            inner.map(lambda t: f"({t})"),
            inner.map(lambda t: f"-{t}"),
            inner.map(lambda t: f"sin({t})"),
        ),
        max_leaves=8,
    )
)
def test_precedence_is_pythons(text: str) -> None:
    """The nodes come in the order in which Python's own tree would be evaluated."""
    program = expression(text)
    columns = read(program.message)
    ours = sorted(columns.ops[o] for o in columns.functions[0].op.tolist())
    names = {ast.Add: "add", ast.Sub: "subtract", ast.Mult: "multiply", ast.Div: "divide"}
    theirs: list[str] = []
    for node in ast.walk(ast.parse(text, mode="eval")):
        if isinstance(node, ast.BinOp):
            theirs.append(f"gp.{names[type(node.op)]}")
        elif isinstance(node, ast.Call):
            theirs.append("gp.sin")
        elif isinstance(node, ast.Compare):
            theirs += [f"gp.{'less' if isinstance(o, ast.Lt) else 'equal'}" for o in node.ops]
            theirs += ["gp.logical_and"] * (len(node.ops) - 1)
        elif isinstance(node, ast.UnaryOp) and not isinstance(node.operand, ast.Constant):
            theirs.append("gp.negative")
    assert len(ours) <= len(theirs)
    assert [o for o in ours if o != "gp.negative"] == sorted(
        o for o in theirs if o != "gp.negative"
    )
