"""The library for transactions, around its protocol: a party alone in a process and its owner."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from comitia.net.book import BookError
from comitia.net.segment import Corrupt
from comitia.serve.transactions import PART_BYTES, NotBegun, NotCommitted, Party


class Slow:
    """An owner that is willing as soon as it is let."""

    def __init__(self) -> None:
        self.asked, self.let = asyncio.Event(), asyncio.Event()
        self.committed: list[str] = []

    async def prepare(self, name: str, part: bytes) -> bool:
        self.asked.set()
        await self.let.wait()
        return True

    async def commit(self, name: str) -> None:
        self.committed.append(name)

    async def abort(self, name: str) -> None:
        raise AssertionError("it was willing")


def alone(tmp_path: Path, story: Callable[[Party, Slow], Awaitable[None]]) -> None:
    async def main() -> None:
        owner = Slow()
        party = Party(1, {1: "127.0.0.1:0"}, tmp_path, owner, patience_ms=(60_000, 60_000))
        await party.start()
        try:
            async with asyncio.timeout(30):
                await story(party, owner)
        finally:
            await party.close()

    asyncio.run(main())


def test_what_the_owner_said_while_the_disk_was_full_counts_when_there_is_space(
    tmp_path: Path,
) -> None:
    async def story(party: Party, owner: Slow) -> None:
        outcome = asyncio.create_task(party.commit({1: b"part"}))
        await owner.asked.wait()
        storage = party.host.storage
        storage.full = "no space"
        owner.let.set()
        await asyncio.sleep(0.05)  # its answer is turned away
        with pytest.raises(NotBegun, match="no space"):
            await party.commit({1: b"another"})
        storage.full = None
        storage.on_space()
        assert await outcome
        while not owner.committed:
            await asyncio.sleep(0.001)

    alone(tmp_path, story)


def test_who_waits_for_an_outcome_is_told_that_the_process_stops(tmp_path: Path) -> None:
    outcomes: list[asyncio.Task[bool]] = []

    async def story(party: Party, owner: Slow) -> None:
        outcomes.append(asyncio.create_task(party.commit({1: b"part"})))
        await owner.asked.wait()

    alone(tmp_path, story)
    with pytest.raises(NotCommitted, match="stops"):
        outcomes[0].result()


def test_a_part_that_fits_into_no_message_is_refused_before_anything_begins(
    tmp_path: Path,
) -> None:
    async def story(party: Party, owner: Slow) -> None:
        with pytest.raises(ValueError, match="bytes"):
            await party.commit({1: bytes(PART_BYTES + 1)})
        assert party.host.view.last == 0

    alone(tmp_path, story)


def test_a_party_that_cannot_be_made_or_started_leaves_neither_port_nor_lock(
    tmp_path: Path,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        members = {1: f"127.0.0.1:{free.getsockname()[1]}"}

    async def main() -> None:
        book = tmp_path / "book"
        book.write_bytes(b"no book at all")
        with pytest.raises(BookError):
            Party(1, members, tmp_path, Slow())
        book.unlink()
        with pytest.raises(TypeError):
            Party(1, members, tmp_path, Slow(), three_phase=True)
        log = tmp_path / "wal" / f"{1:016x}.wal"
        log.parent.mkdir()
        log.write_bytes(bytes(4096))
        with pytest.raises(Corrupt):
            await Party(1, members, tmp_path, Slow()).start()
        log.unlink()
        party = Party(1, members, tmp_path, Slow())
        await party.start()
        await party.close()

    asyncio.run(main())
