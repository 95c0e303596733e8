"""Documents as a user has them: opened, edited, waited for, in this process and over a socket, through lost connections."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import gradproof as gp
import numpy as np
import pytest
from gradproof import edits
from gradproof._client import Client
from gradproof._transport import embedded

from tests.client.proxy import Proxy
from tests.service.server.harness import ServerThread, slow

X = np.array([0.3, -0.7, 1.1])
W = np.arange(6.0).reshape(2, 3) / 5


def loss(x: Any, w: Any) -> Any:
    """A small network."""
    return np.sum(np.tanh(w @ x) ** 2)


def slope(x: Any, w: Any) -> Any:
    """Its gradient by hand."""
    t = np.tanh(w @ x)
    g = 2 * t * (1 - t * t)
    return w.T @ g, np.outer(g, x)


def flipped(x: Any, w: Any) -> Any:
    """The gradient with one sign wrong."""
    by_x, by_w = slope(x, w)
    return by_x * np.array([1.0, -1.0, 1.0]), by_w


@pytest.fixture(scope="module")
def server() -> Iterator[ServerThread]:
    """A server for the whole file."""
    with ServerThread() as running:
        yield running


@pytest.fixture(params=["embedded", "remote"])
def client(request: pytest.FixtureRequest, server: ServerThread) -> Iterator[Client]:
    """A client in this process, and one over a socket."""
    made = Client(embedded()) if request.param == "embedded" else gp.connect(server.address)
    with made:
        yield made


def same(document: gp.Document, report: gp.Report) -> None:
    """What the document's check found is what the check from scratch finds, bit for bit."""
    found = document.wait(timeout_s=60)
    assert found.final
    assert found.report is not None
    assert found.report.to_json() == report.to_json()
    assert found.report.message.SerializeToString(
        deterministic=True
    ) == report.message.SerializeToString(deterministic=True)


def test_a_document_follows_its_edits(client: Client) -> None:
    """The point, the claim, the function and the options are edited; each time the check is that from scratch."""
    at = {"x": X, "w": W}
    with client.open(loss, at=at, claim=slope) as document:
        assert document.version == 1
        same(document, client.check(loss, at=at, claim=slope))
        assert document.edit(at={"x": X + 1}) == 2
        same(document, client.check(loss, at={"x": X + 1, "w": W}, claim=slope))
        document.edit(claim=flipped)
        moved = {"x": X + 1, "w": W}
        same(document, client.check(loss, at=moved, claim=flipped))
        assert document.wait().verdict == "disagrees"
        document.edit(claim=None, wrt="x")
        same(document, client.check(loss, at=moved, wrt="x"))

        def other(x: Any, w: Any) -> Any:
            return np.sum(np.tanh(w @ x) ** 2) + np.sum(x)

        document.edit(other)
        same(document, client.check(other, at=moved, wrt="x"))
        assert document.edit() == document.version, "an edit of nothing is no edit"


def test_the_quick_stage_comes_first_and_is_the_gradient(client: Client) -> None:
    """Values and gradient as `value_and_gradient` gives them, bit for bit."""
    with client.open(loss, at={"x": X, "w": W}, depth="quick") as document:
        found = document.wait(timeout_s=60)
        assert (found.stage, found.final, found.report, found.verdict) == ("quick", True, None, "")
        value, (by_x, by_w) = client.value_and_gradient(loss, at={"x": X, "w": W})
        assert found.outputs["out"].tobytes() == np.asarray(value).tobytes()
        assert found.gradient["x"].tobytes() == by_x.tobytes()
        assert found.gradient["w"].tobytes() == by_w.tobytes()
        assert not found.left_out
        assert document.check(timeout_s=60).verdict == "agrees"
        assert document.edit(at={"x": X}) == 1, "the same point is no edit"
        document.edit(at={"x": X + 1})
        assert document.wait(timeout_s=60).stage == "quick"


def test_inputs_that_are_not_free_are_declared(client: Client) -> None:
    """A structure that comes with an edit holds for the check as it does from scratch."""
    square = np.array([[2.0, 0.5], [0.5, 1.0]])

    def trace(a: Any) -> Any:
        return np.sum(a @ a)

    with client.open(trace, at={"a": square}) as document:
        document.edit(structure={"a": "symmetric"})
        same(document, client.check(trace, at={"a": square}, structure={"a": "symmetric"}))


def test_nodes_are_edited_one_by_one(client: Client) -> None:
    """Added, replaced and removed by their numbers; the program that stands is the program that is checked."""
    with client.open("sin(x)*x", at={"x": 2.0}, depth="quick") as document:
        document.edit(changes=[edits.replace_node(1, "cos", [0])])
        assert document.wait(timeout_s=60).outputs["out"] == np.cos(2.0) * 2.0
        free = document.free
        assert free == 3
        document.edit(
            changes=[
                edits.add_constant(3, 10.0),
                edits.add_node(4, "add", [2, 3]),
                edits.add_node(5, "sum", [4], {"axes": ()}),
                edits.set_output("out", 4),
                edits.set_output("more", 1),
                edits.remove(5),
            ]
        )
        found = document.wait(timeout_s=60)
        assert found.outputs["out"] == np.cos(2.0) * 2.0 + 10.0
        assert list(found.outputs) == ["out", "more"]
        document.edit(changes=[edits.remove_output("more")])
        assert (
            document.check(timeout_s=60).to_json()
            == client.check(document.program, at={"x": 2.0}).to_json()
        )


@pytest.mark.parametrize(
    ("work", "error", "said"),
    [
        (lambda d: d.edit(changes=[edits.remove(1)]), gp.RequestError, "still read"),
        (lambda d: d.edit(changes=[edits.add_node(9, "sin", [0])]), gp.RequestError, "next free number, 3, 9"),
        (lambda d: d.edit(at={"z": 1.0}), gp.TargetError, "no input 'z'"),
        (lambda d: d.edit(colour="red"), gp.RequestError, "has no such option"),
        (lambda d: d.edit(tau=-1.0), gp.RequestError, "tau: expected"),
        (lambda d: d.edit("y +"), gp.TargetError, "expected"),
        (lambda d: d.edit(claim=np.zeros(7)), gp.RequestError, "claim"),
        (lambda d: d.wait("slow"), gp.RequestError, "expected quick or check"),
    ],
)  # fmt: skip
def test_an_edit_that_does_not_fit_changes_nothing(
    client: Client, work: Callable[[gp.Document], Any], error: type[Exception], said: str
) -> None:
    """One sentence, and the document goes on at the version it had."""
    with client.open("sin(x)*x", at={"x": 2.0}) as document:
        with pytest.raises(error, match=said):
            work(document)
        assert document.version == 1
        document.edit(at={"x": 3.0})
        same(document, client.check("sin(x)*x", at={"x": 3.0}))


def test_what_keeps_the_service_from_an_answer_is_raised(client: Client) -> None:
    """A point that is not finite: the error of the check from scratch, and the next edit mends it."""
    with client.open("log(x)", at={"x": np.nan}) as document:
        with pytest.raises(gp.RequestError, match="needs a finite point"):
            document.wait(timeout_s=60)
        document.edit(at={"x": 2.0})
        same(document, client.check("log(x)", at={"x": 2.0}))


def test_a_black_box_cannot_be_opened(client: Client) -> None:
    """There is no program to edit; the sentence says what still works."""

    def opaque(x: Any) -> Any:
        return float(str(float(x)))

    with pytest.raises(gp.TargetError, match="cannot be opened"):
        client.open(opaque, at=1.0)


def test_waiting_ends_in_time_and_work_is_taken_back(client: Client) -> None:
    """`wait` gives up after its time, `cancel` ends the work, `close` tells whoever waits."""
    program = gp.Program(slow())
    document = client.open(program, at={"x": 1.0})
    with pytest.raises(gp.DeadlineError, match=r"not finished in 0\.2 s"):
        document.wait(timeout_s=0.2)
    future = document.waiting(None, None)
    document.cancel()
    with pytest.raises(gp.DeadlineError, match="taken back"):
        future.result(30)
    document.edit(at={"x": 2.0})
    later = document.waiting(None, None)
    document.close()
    with pytest.raises(gp.ServiceUnavailable, match="was closed"):
        later.result(30)


def test_many_documents_share_one_stream(client: Client) -> None:
    """Twenty documents edited from four threads: each has its own last word."""
    documents = [
        client.open("x**3 + a*x", at={"x": 1.0, "a": float(n)}, depth="quick") for n in range(20)
    ]

    def work(n: int) -> float:
        for x in (2.0, 3.0, 4.0):
            documents[n].edit(at={"x": x})
        return float(documents[n].wait(timeout_s=60).gradient["x"])

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, range(20))) == [3 * 4.0**2 + n for n in range(20)]


def test_many_clients_open_at_once(server: ServerThread) -> None:
    """Sixty streams opened from thirty threads: none is lost."""

    def work(n: int) -> float:
        with (
            gp.connect(server.address) as one,
            one.open("x*x", at={"x": float(n)}, depth="quick") as document,
        ):
            return float(document.wait(timeout_s=60).gradient["x"])

    with ThreadPoolExecutor(30) as pool:
        assert list(pool.map(work, range(60))) == [2.0 * n for n in range(60)]


def test_a_lost_connection_is_not_noticed(server: ServerThread) -> None:
    """Cut again and again between and during edits: every version that is waited for is found, bit for bit."""
    with Proxy(server.address) as proxy, gp.connect(proxy.address) as client:
        document = client.open(loss, at={"x": X, "w": W}, claim=slope)
        plain = gp.connect(server.address)
        for n in range(4):
            document.edit(at={"x": X + n})
            if n % 2:
                document.wait("quick", timeout_s=60)
            proxy.cut()
            document.edit(at={"x": X + n + 0.5})
            same(document, plain.check(loss, at={"x": X + n + 0.5, "w": W}, claim=slope))
        assert client.keeper().reconnects >= 4
        plain.close()


def test_what_the_service_still_has_is_not_sent_again(server: ServerThread) -> None:
    """After a cut a document with eight megabytes of values is open again for a few kilobytes."""
    big = np.linspace(0.0, 1.0, 1 << 20)
    with Proxy(server.address) as proxy, gp.connect(proxy.address) as client:
        document = client.open(
            lambda v: np.sum(np.sin(v)), at={"v": big}, depth="quick", timeout_s=60
        )
        first = document.wait()
        assert proxy.sent_bytes > big.nbytes
        before = proxy.sent_bytes
        proxy.cut()
        document.edit(rtol=1e-3)
        again = document.wait("quick")
        assert again.version == 2
        assert proxy.sent_bytes - before < 1 << 17
        assert again.gradient["v"].tobytes() == first.gradient["v"].tobytes()
        scratch = client.gradient(lambda v: np.sum(np.sin(v)), at={"v": big})
        assert again.gradient["v"].tobytes() == scratch.tobytes()


def test_a_service_that_comes_back_gets_everything_it_lacks(tmp_path: Path) -> None:
    """The service is stopped and another one started in its place, with an empty memory: the documents are there again."""
    address = f"unix:{tmp_path / 'service.sock'}"
    big = np.linspace(0.0, 1.0, 1 << 18)
    with ServerThread(address):
        client = gp.connect(address)
        document = client.open(lambda v: np.sum(v * v), at={"v": big}, depth="quick", timeout_s=60)
        small = client.open("x*x", at={"x": 1.0}, timeout_s=60)
        document.wait()
        small.wait()
    document.edit(at={"v": big + 1})
    with ServerThread(address):
        assert document.wait().gradient["v"].tobytes() == (2 * (big + 1)).tobytes()
        small.edit(at={"x": 2.0})
        assert small.wait().verdict == "agrees"
        client.close()


def test_a_service_that_stays_away_is_missed_after_a_while(tmp_path: Path) -> None:
    """Whoever waits is told, and so is whoever asks later."""
    from gradproof._session.keeper import Keeper

    address = f"unix:{tmp_path / 'service.sock'}"
    with ServerThread(address):
        client = gp.connect(address)
        client._keeper = Keeper(client.transport, reconnect_s=0.5)
        document = client.open(gp.Program(slow()), at={"x": 1.0})
        waiting = document.waiting(None, None)
    with pytest.raises(gp.ServiceUnavailable):
        waiting.result(30)
    with pytest.raises(gp.ServiceUnavailable):
        document.edit(at={"x": 2.0})
    client.close()


def test_a_closed_client_says_so(client: Client) -> None:
    """Its documents are gone, and its threads."""
    document = client.open("x*x", at={"x": 1.0})
    client.close()
    with pytest.raises(gp.ServiceUnavailable, match="was closed"):
        document.edit(at={"x": 2.0})
    names = {thread.name for thread in threading.enumerate()}
    assert not names & {"gradproof-session", "gradproof-documents"}


def test_the_asynchronous_face(server: ServerThread) -> None:
    """The same documents awaited: many at once, followed from version to version, in time."""

    async def work() -> None:
        async with await gp.aconnect(server.address) as client:
            opened = await asyncio.gather(
                *(client.open("x*x", at={"x": float(n)}, depth="quick") for n in range(50))
            )
            found = await asyncio.gather(*(d.wait(timeout_s=60) for d in opened))
            assert [float(f.gradient["x"]) for f in found] == [2.0 * n for n in range(50)]
            document = opened[0]
            seen: list[float] = []

            async def follow() -> None:
                async for one in document.follow():
                    seen.append(float(one.gradient["x"]))
                    if seen[-1] == 14.0:
                        return

            following = asyncio.create_task(follow())
            for x in (5.0, 6.0, 7.0):
                assert await document.edit(at={"x": x}) == document.version
            await asyncio.wait_for(following, 60)
            assert seen[-1] == 14.0
            assert seen == sorted(seen)
            assert (await document.check(timeout_s=60)).verdict == "agrees"
            report = await client.check("x*x", at={"x": 3.0})
            assert report.verdict == "agrees"
            async with await client.open(gp.Program(slow()), at={"x": 1.0}) as endless:
                with pytest.raises(gp.DeadlineError):
                    await endless.wait(timeout_s=0.2)

    asyncio.run(work())


def test_numbers_that_are_used_up_begin_anew(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An edit that finds no free number sends the program whole; an edit of single nodes says so."""
    with client.open("sin(x)*x", at={"x": 2.0}) as document:
        monkeypatch.setattr("gradproof_proto.edits.MAX_VALUES", document.free)
        document.edit("sin(x)*x + cos(x)")
        same(document, client.check("sin(x)*x + cos(x)", at={"x": 2.0}))
        monkeypatch.setattr("gradproof_proto.edits.MAX_VALUES", document.free)
        with pytest.raises(gp.RequestError, match="numbers are used up"):
            document.edit(changes=[edits.add_node(document.free, "sin", [0])])


def test_an_edit_that_cannot_be_sent_is_not_lost(
    server: ServerThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tensors that cannot be put at this moment: the edit stands, and is sent when another stream does."""

    def failing(request: Any) -> Any:
        raise gp.ServiceUnavailable("not at this moment")

    with gp.connect(server.address) as client:
        document = client.open("x*x", at={"x": 1.0}, depth="quick", timeout_s=60)
        document.wait()
        monkeypatch.setattr(client.keeper()._link, "_fitted", failing)
        document.edit(at={"x": 2.0})
        assert float(document.wait().gradient["x"]) == 4.0
        assert client.keeper().reconnects == 1
