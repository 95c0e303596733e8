"""The figures of a page: what they must show, whatever the numbers are."""

from __future__ import annotations

import base64
import json
import re
import struct
import xml.etree.ElementTree as ET
import zlib

import numpy as np
from gradproof._gate.history import Moment
from gradproof._html.colours import colours, ink
from gradproof._html.curves import rate_words, sweep_figure, taylor_figure
from gradproof._html.graph import SHOWN, graph_figure
from gradproof._html.heatmap import SIDE, digits_matched, heatmap, png, pool
from gradproof._html.history import history_figure
from gradproof._html.layout import layers
from gradproof_proto.v1 import check_pb2 as pb
from hypothesis import given
from hypothesis import strategies as st

graphs = st.lists(st.lists(st.integers(1, 30), max_size=4), max_size=60).map(
    lambda rows: [[k - back for back in row if k - back >= 0] for k, row in enumerate(rows)]
)


def pixels(address: str) -> np.ndarray:
    """The image in a data address, read by the rules of the PNG specification."""
    content = base64.b64decode(address.partition(",")[2])
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    at, shape, data = 8, (0, 0), b""
    while at < len(content):
        (size,) = struct.unpack(">I", content[at : at + 4])
        kind, body = content[at + 4 : at + 8], content[at + 8 : at + 8 + size]
        assert struct.unpack(">I", content[at + 8 + size : at + 12 + size])[0] == zlib.crc32(
            kind + body
        )
        if kind == b"IHDR":
            columns, rows, depth, colour = struct.unpack(">IIBB", body[:10])
            assert (depth, colour) == (8, 2)
            shape = (rows, columns)
        data += body if kind == b"IDAT" else b""
        at += 12 + size
    lines = np.frombuffer(zlib.decompress(data), np.uint8).reshape(shape[0], 1 + 3 * shape[1])
    assert not lines[:, 0].any()
    return lines[:, 1:].reshape(*shape, 3)


def test_an_image_is_what_went_in() -> None:
    """Every pixel comes back."""
    image = np.random.default_rng(0).integers(0, 256, (7, 5, 3), dtype=np.uint8)
    np.testing.assert_array_equal(pixels(png(image)), image)


def test_colours_are_ordered_by_lightness() -> None:
    """Grey tones alone carry the order, and the ink on each colour can be read (contrast 4.5 and more)."""
    levels = np.linspace(0, 1, 101)
    linear = (colours(levels) / 255.0) ** 2.2
    light = linear @ np.array([0.2126, 0.7152, 0.0722])
    assert (np.diff(light) >= -1e-3).all()
    for level, ground in zip(levels.tolist(), light.tolist(), strict=True):
        other = 0.0 if ink(level) == "#000" else 1.0
        contrast = (max(ground, other) + 0.05) / (min(ground, other) + 0.05)
        assert contrast >= 4.0, level


def test_digits_are_counted_against_the_larger() -> None:
    """Equal entries match in all digits, an entry against zero in none, and what is no number is unknown."""
    found = digits_matched(
        np.array([[1.0, 1.001, 2.0, np.nan, 0.0]]), np.array([[1.0, 1.0, 0.0, 1.0, 0.0]])
    )
    np.testing.assert_allclose(found[0, :3], [17.0, -np.log10(0.001 / 1.001), 0.0], rtol=1e-9)
    assert np.isnan(found[0, 3])
    assert found[0, 4] == 17.0


@given(rows=st.integers(1, 400), columns=st.integers(1, 400), data=st.data())
def test_one_wrong_entry_is_seen_in_any_size(rows: int, columns: int, data: st.DataObject) -> None:
    """However large the matrix, the block of the wrong entry shows that entry."""
    wrong = data.draw(st.integers(0, rows - 1)), data.draw(st.integers(0, columns - 1))
    reference = np.ones((rows, columns))
    claimed = reference.copy()
    claimed[wrong] = 1.001
    pooled = pool(-digits_matched(claimed, reference))
    assert pooled.row.shape <= (SIDE, SIDE)
    at = np.argwhere(pooled.of(claimed) == 1.001)
    assert len(at) == 1
    i, j = at[0]
    assert (pooled.row[i, j], pooled.column[i, j]) == wrong


def test_the_heatmap_says_what_its_cells_show() -> None:
    """Three images of one size, the worst cell ringed, and every number in the data of the script."""
    reference = np.arange(12.0).reshape(3, 4)
    claimed = reference.copy()
    claimed[1, 2] *= 1.5
    figure = heatmap(claimed, reference, "y by x")
    addresses = re.findall(r'href="(data:[^"]+)"', figure)
    assert [pixels(a).shape for a in addresses] == [(3, 4, 3)] * 3
    assert re.findall(r'class="ring" x="(\d+)" y="(\d+)"', figure) == [("2", "1")]
    raw = re.search(r'data-cells="([^"]+)"', figure)
    assert raw
    cells = json.loads(raw[1].replace("&#34;", '"'))
    assert cells["claimed"][1][2] == "9"
    assert cells["reference"][1][2] == "6"
    assert cells["row"][1][2] == 1


@given(operands=graphs)
def test_a_node_stands_below_what_it_reads(operands: list[list[int]]) -> None:
    """Every node has one place, and an edge always leads down."""
    rows = layers(operands)
    depth = {k: d for d, row in enumerate(rows) for k in row}
    assert sorted(depth) == list(range(len(operands)))
    assert all(depth[v] < depth[k] for k, mine in enumerate(operands) for v in mine)
    assert all(rows)


def evidence(count: int) -> list[pb.NodeEvidence]:
    """A chain of nodes."""
    return [
        pb.NodeEvidence(
            node=k, label=f"tanh#{k}", op="tanh", operands=[k - 1] if k else [], shape=[3],
            cotangent_norm=10.0**-k, lost_digits=float(k == 7), value_norm=1.0,
        )
        for k in range(count)
    ]  # fmt: skip


def test_the_graph_is_drawn_with_its_numbers() -> None:
    """A box for each node, an edge for each operand, a suspect marked by more than colour; it is well-formed XML."""
    figure = graph_figure(evidence(5), {"tanh#2": 1.0}, "f")
    assert figure
    assert figure.count('class="node') == 5
    assert figure.count('class="edge"') == 4
    assert figure.count("node suspect") == 1
    svg = re.search(r"<svg.*?</svg>", figure, re.S)
    assert svg
    ET.fromstring(svg[0])


def test_of_a_large_graph_what_matters_is_shown() -> None:
    """The suspect and the node that loses digits stay, and the page says how many are left out."""
    count = SHOWN + 60
    figure = graph_figure(evidence(count), {f"tanh#{count - 5}": 1.0, "tanh#3": 0.5}, "f")
    assert figure
    assert figure.count('class="node') == SHOWN
    assert f"60 of {count} nodes are left out" in figure
    for label in (f"tanh#{count - 5}", "tanh#3", "tanh#7"):
        assert f'data-label="{label}"' in figure


def test_a_graph_without_nodes_is_no_figure() -> None:
    """Nothing is drawn for a black box."""
    assert graph_figure([], {}, "f") is None


floats = st.floats(allow_nan=True, allow_infinity=True)


@given(
    steps=st.lists(st.floats(1e-20, 1e3), min_size=1, max_size=30, unique=True),
    data=st.data(),
)
def test_any_numbers_make_a_figure_or_none(steps: list[float], data: st.DataObject) -> None:
    """NaN, infinities, zeros and denormals: a picture that is well-formed, or no picture, never an error."""
    count = len(steps)
    numbers = data.draw(st.lists(floats, min_size=count, max_size=count))
    bounds = data.draw(st.lists(floats, min_size=count, max_size=count))
    sweep = pb.Sweep(
        steps=sorted(steps, reverse=True), quotients=numbers, bounds=bounds, chosen_step=steps[0],
        plateau_low=min(steps), plateau_high=max(steps), estimate=1.0, error_bar=data.draw(floats),
    )  # fmt: skip
    taylor = pb.TaylorRate(
        steps=sweep.steps, remainders=numbers, rate=data.draw(floats), sight=data.draw(floats)
    )
    for figure in (sweep_figure(sweep, data.draw(floats), "d y"), taylor_figure(taylor, "d y")):
        if figure is not None:
            ET.fromstring(figure)
            assert "nan" not in figure
            assert not re.search(r'"-?inf', figure)
    assert rate_words(taylor).endswith(".")


def test_a_sweep_shows_its_plateau_and_its_step() -> None:
    """The plateau is shaded, the chosen step and the error bar are marked by name."""
    steps = [10.0**-k for k in range(12)]
    sweep = pb.Sweep(
        steps=steps, quotients=[2 + h * h + 1e-16 / h for h in steps], bounds=[1e-16 / h for h in steps],
        chosen_step=1e-5, plateau_low=1e-7, plateau_high=1e-3, estimate=2.0, error_bar=1e-10,
    )  # fmt: skip
    figure = sweep_figure(sweep, 2.0, "d y / d x")
    assert figure
    for words in ("plateau: 1e-07 to 0.001", "h = 1.0e-05", "error bar 1.0e-10", "d y / d x"):
        assert words in figure


def test_history_tells_each_baseline() -> None:
    """One bar for each accepted baseline with its reason; none without any."""
    moments = [Moment("2026-01-01", 14.2, "first"), Moment("2026-02-01", 3.1, "faster <kernel>")]
    figure = history_figure(moments, "loss")
    assert figure
    assert figure.count("<rect") == 2
    assert "3.1 digits. faster &lt;kernel&gt;" in figure
    assert history_figure([], "loss") is None
