"""A service in a process of its own, whose memory can be measured."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Self

CODE = "import sys; from gradproof_service.server.main import serve; from pathlib import Path; sys.exit(serve(Path(sys.argv[1])))"


class ServiceProcess:
    """`gradproof serve` with limits of the test's choice."""

    def __init__(self, **limits: int) -> None:
        self._folder = tempfile.TemporaryDirectory()
        folder = Path(self._folder.name)
        self.address = f"unix:{folder / 'service.sock'}"
        file = folder / "gradproof.toml"
        rows = "\n".join(f"{name} = {value}" for name, value in limits.items())
        file.write_text(
            f'[listen]\naddress = "{self.address}"\n[workers]\ncount = 1\n[operation]\nlog_calls = false\n[limits]\n{rows}\n',
            encoding="utf-8",
        )
        self._process = subprocess.Popen(
            [sys.executable, "-c", CODE, str(file)], stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Self:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert "is serving on" in line, line
        return self

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._folder.cleanup()

    @property
    def resident_bytes(self) -> int:
        """Memory of the serving process alone."""
        pages = Path(f"/proc/{self._process.pid}/statm").read_text(encoding="ascii").split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")
