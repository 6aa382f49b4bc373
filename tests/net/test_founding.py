"""A cluster is founded wholly, or nothing of it is left: no data, and no port."""

from __future__ import annotations

import asyncio
import dataclasses
import socket
from pathlib import Path

import pytest

from comitia.kernel import Node
from comitia.net.founding import Founding
from comitia.protocols.raft import PROTOCOL


@pytest.mark.parametrize("fails", ["in making", "in starting"])
def test_a_founding_that_fails_half_way_leaves_no_socket_open(
    fails: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sockets: list[socket.socket] = []
    create_server = socket.create_server

    def listening(address: tuple[str, int]) -> socket.socket:
        sockets.append(create_server(address))
        return sockets[-1]

    def make(id: int, voters: tuple[int, ...]) -> Node:
        if fails == "in making" and id == 2:
            raise ValueError("no such member")
        return PROTOCOL.make(id, voters)

    if fails == "in starting":  # as when the directory is that of another node
        (tmp_path / "n2" / "wal").mkdir(parents=True)
        (tmp_path / "n2" / "wal" / f"{1:016x}.wal").write_bytes(bytes(4096))
    monkeypatch.setattr(socket, "create_server", listening)
    made = Founding(dataclasses.replace(PROTOCOL, make=make), "new", (1, 2, 3), tmp_path)
    with pytest.raises(Exception, match=r"no such member|wal"):
        asyncio.run(made.run(lambda: iter([b"state"]), b"mark"))
    assert [sock.fileno() for sock in sockets] == [-1, -1, -1]
