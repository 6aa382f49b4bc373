"""Links: strangers, liars and noise are refused with a reason; nobody else notices."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from net_cluster import Cluster, eventually

from comitia.kernel import NodeId, replace
from comitia.net import book as books
from comitia.net import frames, greeting
from comitia.net.book import Address, Book, BookError, Place
from comitia.net.frames import FrameError, FrameReader
from comitia.net.greeting import Greeting, GreetingError, objection
from comitia.net.links import Links
from comitia.net.segment import Identity

ME = Identity("demo", 1, "raft", 1)
HELLO = Greeting(greeting.WIRE, replace(ME, node=2), 1, b"nonce", ())


@settings(deadline=None)
@given(
    payloads=st.lists(st.tuples(st.integers(1, 11), st.binary(max_size=300)), max_size=6),
    cuts=st.lists(st.integers(1, 50), min_size=1),
)
def test_frames_survive_any_cutting_of_the_stream(
    payloads: list[tuple[int, bytes]], cuts: list[int]
) -> None:
    stream = b"".join(frames.frame(kind, payload) for kind, payload in payloads)
    reader = FrameReader()
    found = []
    position = 0
    while position < len(stream):
        size = cuts[position % len(cuts)]
        found += reader.feed(stream[position : position + size])
        position += size
    assert found == payloads


@settings(deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_give_frames_or_an_error(data: bytes) -> None:
    reader = FrameReader()
    try:
        for _, payload in reader.feed(data):
            assert len(payload) <= len(data)
    except FrameError as error:
        assert str(error)


def test_a_bit_flip_anywhere_in_a_frame_is_noticed() -> None:
    good = frames.frame(frames.MESSAGE, b"a message of some length")
    for offset in range(len(good)):
        for bit in range(8):
            data = bytearray(good)
            data[offset] ^= 1 << bit
            reader = FrameReader(frames.LIMIT)
            try:
                found = reader.feed(bytes(data) + bytes(300))
            except FrameError:
                continue
            # A longer length makes the reader wait, never believe.
            assert (frames.MESSAGE, b"a message of some length") not in found
            assert not found


def test_a_frame_that_claims_to_be_huge_is_refused_before_it_is_read() -> None:
    reader = FrameReader()
    with pytest.raises(FrameError, match="more than"):
        reader.feed(b"\xff\xff\xff\x7f" + bytes(5))


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_give_a_greeting_or_an_address_book_or_an_error(data: bytes) -> None:
    for decode, error in ((greeting.decode, GreetingError), (books.decode, BookError)):
        try:
            decode(data)
        except error as caught:
            assert str(caught)


def test_each_thing_that_must_agree_is_objected_to_by_name() -> None:
    assert objection(HELLO, ME) is None
    for wrong, word in (
        (replace(HELLO, wire=9), "wire version"),
        (replace(HELLO, identity=replace(HELLO.identity, cluster="prod")), "cluster"),
        (replace(HELLO, identity=replace(HELLO.identity, protocol="zab")), "protocol"),
        (replace(HELLO, identity=replace(HELLO.identity, version=2)), "protocol version"),
        (replace(HELLO, to=3), "addressee"),
        (replace(HELLO, identity=ME), "another node"),
    ):
        assert word in str(objection(wrong, ME))


def play(directory: Path, scene: Callable[[Cluster], Awaitable[Any]]) -> None:
    async def life() -> None:
        cluster = Cluster(directory)
        try:
            await cluster.start_all()
            await cluster.leader()
            await scene(cluster)
        finally:
            await cluster.stop_all()

    asyncio.run(life())


def test_a_node_of_another_cluster_is_told_why_it_is_refused(tmp_path: Path) -> None:
    async def scene(cluster: Cluster) -> None:
        port = cluster.addresses[1].port
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        stranger = replace(HELLO, identity=Identity("prod", 2, "raft", 1))
        writer.write(frames.frame(frames.HELLO, greeting.encode(stranger)))
        answer = FrameReader().feed(await reader.read())
        assert answer == [
            (frames.REFUSED, b"cluster 'prod'; this node (n1) wants 'test'"),
        ]
        writer.close()

    play(tmp_path, scene)


@pytest.mark.parametrize(
    "noise",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\0" * 64,
        b"*1\r\n$1073741824\r\n",
        frames.frame(frames.MESSAGE, b"before any greeting"),
        frames.frame(frames.HELLO, b"\xc1"),
    ],
)
def test_noise_closes_its_connection_and_nothing_else(tmp_path: Path, noise: bytes) -> None:
    async def scene(cluster: Cluster) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", cluster.addresses[1].port)
        writer.write(noise)
        assert await asyncio.wait_for(closed(reader), 3)
        writer.close()
        await cluster.propose([b"served"])

    play(tmp_path, scene)


async def closed(reader: asyncio.StreamReader) -> bool:
    try:
        return await reader.read() == b""
    except ConnectionResetError:
        return True


def test_a_member_that_sends_what_no_codec_knows_is_cut_off_and_counted(tmp_path: Path) -> None:
    async def scene(cluster: Cluster) -> None:
        one, two = cluster.hosts[1], cluster.hosts[2]
        before = two.links.bad_bytes
        one.links.send(2, frames.MESSAGE, b"\x93\xa4raft\x01\xc1")
        one.links.send(2, 99, b"")
        one.links.flush()
        await eventually(lambda: two.links.bad_bytes > before)
        await eventually(lambda: 2 in one.links.connected)  # and dials anew
        await cluster.propose([b"served"])

    play(tmp_path, scene)


def test_connections_that_never_say_who_they_are_are_few_and_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("comitia.net.connections.GREETING_S", 0.3)
    monkeypatch.setattr("comitia.net.connections.STRANGERS", 4)

    async def scene(cluster: Cluster) -> None:
        port = cluster.addresses[1].port
        idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(12)]
        await asyncio.sleep(0.1)
        assert len(cluster.hosts[1].links.strangers) <= 4
        for reader, writer in idle:
            assert await asyncio.wait_for(closed(reader), 3)
            writer.close()

    play(tmp_path, scene)


def test_what_a_peer_does_not_take_is_dropped_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("comitia.net.links.QUEUE_BYTES", 1 << 20)

    async def scene(cluster: Cluster) -> None:
        one, two = cluster.hosts[1], cluster.hosts[2]
        two.links.pause(True)
        for _ in range(200):
            one.send_application(2, bytes(100_000))
            one.links.flush()
            await asyncio.sleep(0)
        assert one.links.dropped[2] > 50
        assert one.links._outbound[2].queued() < 2 << 20
        two.links.pause(False)
        await eventually(lambda: len(cluster.ledger(2).messages) >= 10)

    play(tmp_path, scene)


def place(id: NodeId, port: int, stamp: int = 0) -> Place:
    return Place(id, Address("127.0.0.1", port), stamp=stamp)


def test_address_books_come_to_agree_and_are_found_again(tmp_path: Path) -> None:
    one = Book(tmp_path / "one", [place(1, 1), place(2, 2)])
    two = Book(tmp_path / "two", [place(1, 1), place(3, 3)])
    one.learn([place(2, 22, stamp=5)])
    for _ in range(2):
        one.learn(two.places)
        two.learn(one.places)
    assert one.places == two.places == (place(1, 1), place(2, 22, 5), place(3, 3))
    again = Book(tmp_path / "two", [place(2, 2)])
    assert again.places == two.places, "what was said later outweighs the configuration"
    again.learn([replace(place(3, 3, 9), gone=True)])
    assert again.place(3) is None


def test_who_adds_a_node_does_not_hide_where_its_operator_reaches_it(tmp_path: Path) -> None:
    at, http = Address("10.0.0.4", 7104), Address("10.0.0.4", 7204)
    new, leader = Book(tmp_path / "new", []), Book(tmp_path / "leader", [])
    new.learn([Place(4, at, http, stamp=1)])  # it says so when it starts, to nobody yet
    leader.learn([Place(4, at, stamp=2)])  # `members add` knows no more
    new.learn(leader.places)
    leader.learn(new.places)
    assert leader.places == new.places == (Place(4, at, http, stamp=2),)
    leader.learn([Place(4, at, stamp=2)])
    assert leader.places == new.places


def test_addresses_are_read_and_written() -> None:
    for text in ("127.0.0.1:7001", "node-1.example:80", "[::1]:7001"):
        assert str(Address.parse(text)) == text
    assert Address.parse("7001") == Address("127.0.0.1", 7001)
    for text in ("", "host", "host:", "host:http", "host:70000"):
        with pytest.raises(ValueError, match="no address"):
            Address.parse(text)


def test_links_close_although_somebody_dials_in_at_that_very_moment(tmp_path: Path) -> None:
    """The end of a pause and a cancellation in one turn of the loop: neither may hide the other."""

    class Deaf:
        def on_frame(self, src: NodeId, kind: int, payload: bytes) -> None: ...
        def on_linked(self, peer: NodeId) -> None: ...

    async def scene() -> None:
        nobody = Place(2, Address("127.0.0.1", 1))
        links = Links(ME, Book(tmp_path / "book", [nobody]))
        await links.start(Address("127.0.0.1", 0), Deaf())
        await eventually(lambda: 2 in links._nudges)
        links._nudges[2].set()
        await asyncio.sleep(0)
        async with asyncio.timeout(5):
            await links.close()

    asyncio.run(scene())
