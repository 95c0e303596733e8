"""Bytes that are no messages, messages that are too large once they are read, and code disguised as data: abuses 1, 8 and 20."""

from __future__ import annotations

import io
import pickle
import zlib
from collections import Counter
from collections.abc import Iterator
from typing import Any

import grpc
import numpy as np
import pytest
from gradproof_proto.blob_stream import chunks
from gradproof_proto.blobs import blob_ref
from gradproof_proto.v1 import blob_pb2, blob_pb2_grpc, derivative_pb2_grpc
from gradproof_proto.v1 import derivative_pb2 as der
from gradproof_proto.v1 import program_pb2 as pb
from gradproof_service.diagnostic import Fault, FaultKind
from gradproof_service.server.application import Application
from gradproof_service.server.messages import read_message
from gradproof_service.server.methods import METHODS, Form

from tests.service.abuse.attacks import BOMBS, REFUSED, Attack, borne, raw
from tests.service.abuse.harness import Service, code_of, evaluate, long_size, resident_mb
from tests.service.server.harness import cubic, point

INPUTS = 2_000_000
KINDS = {FaultKind.UNREADABLE, FaultKind.INVALID, FaultKind.LIMIT, FaultKind.NOT_FOUND}


def soaked(inputs: int, rng_seed: int) -> Counter[str]:
    """Random bytes into every parser of a request; what came of them. What happens to be a message is worked on, for a share."""
    application = Application()
    told: Counter[str] = Counter()
    rng = np.random.default_rng(rng_seed)
    each = inputs // len(METHODS)
    for method in METHODS.values():
        noise = rng.bytes(each + 64)
        for k, size in enumerate((rng.integers(0, 64, each)).tolist()):
            content = noise[k : k + size]
            try:
                message = read_message(method.request, content)
            except Fault as fault:
                told[fault.kind.value] += 1
                continue
            told["read"] += 1
            if k % 100 == 0 and method.form is not Form.PROBE:
                told[_worked(application, method, message)] += 1
    return told


def _worked(application: Application, method: Any, message: Any) -> str:
    try:
        answer = getattr(application, method.name)(message)
        if method.form is Form.STREAM:
            list(answer)
    except Fault as fault:
        return "refused" if fault.kind in KINDS else f"{fault.kind} {fault}"
    return "answered"


def test_random_bytes_end_as_one_kind_of_fault() -> None:
    """1: two million random inputs over all request parsers: no crash, no hang, nothing but faults of the caller."""
    told = soaked(INPUTS, 0)
    assert told["unreadable"] + told["read"] >= INPUTS - len(METHODS)
    assert told["refused"] > 10
    assert set(told) <= {"unreadable", "read", "refused", "answered"}


@pytest.mark.long
@pytest.mark.timeout(0)
def test_random_bytes_for_long() -> None:
    """1, long: 100 million inputs with other seeds (`LONG_SIZE=100000000 pytest -m long -k random_bytes_for_long`); 0 crashes."""
    for rng_seed in range(1, 1 + long_size(100_000_000) // INPUTS):
        assert set(soaked(INPUTS, rng_seed)) <= {"unreadable", "read", "refused", "answered"}


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    """One service for the file."""
    with Service("workers.count=2") as running, running.channel() as channel:
        evaluate(channel, 1.0)
        yield running


@pytest.mark.parametrize("bomb", BOMBS)
def test_what_grows_when_it_is_read_is_refused(bomb: str, service: Service) -> None:
    """8: refused; the server grows by less than 100 MB, and other calls are answered beside it."""
    content, options = BOMBS[bomb]
    before = resident_mb(service.pid)
    assert raw(service.address, content, **options) in REFUSED
    assert resident_mb(service.pid) - before < 100
    with service.channel() as channel:
        assert evaluate(channel, 2.0) == 12.0


def test_bombs_do_not_slow_others_down(service: Service) -> None:
    """8: while bombs arrive one after the other, p99 of honest calls is below twice that of calm; none is lost."""
    with Attack("bombs", service.address) as attack, service.channel() as channel:
        borne(lambda: evaluate(channel, 2.0), attack, times=2.0, blows=len(BOMBS))
        assert attack.count >= len(BOMBS)


class Bomb:
    """What a pickle does when it is loaded."""

    def __reduce__(self) -> Any:
        return (exec, ("open('/tmp/gradproof-was-here', 'w').close()",))


def disguised() -> dict[str, bytes]:
    """Code in the forms in which NumPy and others would run it."""
    array = np.array([Bomb()], dtype=object)
    as_npy, as_npz = io.BytesIO(), io.BytesIO()
    np.save(as_npy, array, allow_pickle=True)
    np.savez(as_npz, x=array)
    return {
        "pickle": pickle.dumps(Bomb()),
        "npy with objects": as_npy.getvalue(),
        "npz with objects": as_npz.getvalue(),
        "compressed pickle": zlib.compress(pickle.dumps(Bomb())),
    }


@pytest.mark.parametrize("form", disguised())
def test_code_disguised_as_data_is_refused(form: str, service: Service) -> None:
    """20: as a request, a program, a tensor, a blob or a claim it is bytes like others: nothing is run."""
    from pathlib import Path

    content = disguised()[form]
    ran = Path("/tmp/gradproof-was-here")
    ran.unlink(missing_ok=True)
    assert raw(service.address, content) is grpc.StatusCode.INVALID_ARGUMENT
    blob = blob_ref(content)
    tensor = pb.Tensor(dtype=pb.DTYPE_F64, shape=[1], data=content)
    by_blob = pb.Tensor(dtype=pb.DTYPE_F64, shape=[1], blob=blob)
    with service.channel() as channel:
        blobs = blob_pb2_grpc.BlobServiceStub(channel)
        parts = [blob_pb2.PutBlobRequest(header=blob_pb2.BlobHeader(sha256=blob.sha256, size_bytes=blob.size_bytes))]  # fmt: skip
        blobs.PutBlob(iter([*parts, *(blob_pb2.PutBlobRequest(chunk=bytes(c)) for c in chunks(content))]), timeout=30)  # fmt: skip
        stub = derivative_pb2_grpc.DerivativeServiceStub(channel)
        requests = [
            der.EvaluateRequest(program=cubic(), point=[pb.NamedTensor(name="x", tensor=given)])
            for given in (tensor, pb.Tensor(dtype=99, shape=[1], data=content))
        ]
        requests.append(der.EvaluateRequest(program_blob=blob, point=point(x=1.0)))
        for request in requests:
            with pytest.raises(grpc.RpcError) as caught:
                stub.Evaluate(request, timeout=30)
            assert code_of(caught) in REFUSED
        # a tensor may be a stretch of a blob: its first bytes are a number like any other
        number = [pb.NamedTensor(name="x", tensor=by_blob)]
        answer = stub.Evaluate(der.EvaluateRequest(program=cubic(), point=number), timeout=30)
        assert len(answer.outputs[0].tensor.data) == 8
    assert not ran.exists()
