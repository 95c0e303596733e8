"""The process from which workers are forked: it has everything loaded, one thread, and no part in gRPC.

It reads commands from the server: fork a worker (two descriptors come along: its sockets), or kill one. It alone collects
its children, so a process number is never used after it was given to somebody else. It ends when the server does.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import socket
import struct
import sys
from typing import Final

COMMAND: Final = struct.Struct("<cq")
FORK: Final = b"F"
KILL: Final = b"K"
ANSWER: Final = struct.Struct("<q")
KEPT_BYTES: Final = 256 << 20
"""Freed memory that a worker keeps for its next arrays, whose pages would cost as much as the work on them."""
COLLECTED: Final = (100_000, 20, 20)
"""New containers between two collections in a worker. A graph of a million nodes makes some ten millions that are no
garbage: at Python's own 700 they are looked through so often that it takes a fifth of the time."""
READY: Final = 0
"""The first answer: everything is loaded."""


def main() -> None:
    """Serve commands on the socket whose descriptor, with the workers' settings, is the only argument."""
    settings = json.loads(sys.argv[1])
    # A signal from the terminal or a service manager is for the server, which ends its workers in order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    commands = socket.socket(fileno=int(settings["commands"]))
    from gradproof_service.server.workers import worker
    from gradproof_service.transforms.plans.memory import keep_freed_memory

    keep_freed_memory(KEPT_BYTES)
    worker.prepare()
    gc.collect()
    gc.freeze()  # what is loaded is shared by all workers; a collection in one would copy it
    gc.set_threshold(*COLLECTED)
    commands.sendall(ANSWER.pack(READY))
    ended, told = socket.socketpair()
    for end in (ended, told):
        end.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    signal.set_wakeup_fd(told.fileno(), warn_on_full_buffer=False)
    children: set[int] = set()
    while True:
        readable, _, _ = select.select([commands, ended], [], [])
        if ended in readable:
            ended.recv(4096)
            _collect(children)
        if commands not in readable:
            continue
        data, descriptors, _, _ = socket.recv_fds(commands, COMMAND.size, 2)
        if len(data) < COMMAND.size:
            return
        command, number = COMMAND.unpack(data)
        if command == FORK:
            child = os.fork()
            if child == 0:
                signal.set_wakeup_fd(-1)
                for other in (commands, ended, told):
                    other.close()
                worker.run(_connection(descriptors[0]), _connection(descriptors[1]), settings)
            for descriptor in descriptors:
                os.close(descriptor)
            children.add(child)
            commands.sendall(ANSWER.pack(child))
        elif number in children:
            os.kill(number, signal.SIGKILL)


def _connection(descriptor: int) -> socket.socket:
    return socket.socket(fileno=descriptor)


def _collect(children: set[int]) -> None:
    while children:
        pid, _ = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        children.discard(pid)


if __name__ == "__main__":
    main()
