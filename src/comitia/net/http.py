"""HTTP of one node: health, metrics, status, and what operators ask; in the node's own loop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from comitia.kernel import Replica, replace
from comitia.net import backups
from comitia.net.book import Address, Place
from comitia.net.compaction import Busy
from comitia.net.host import Host
from comitia.net.metrics import CONTENT_TYPE, Metrics
from comitia.net.operations import Refused
from comitia.net.status import status, unready

OPERATION_S = 15.0
"""How long an operator waits before the outcome is called unknown."""
BODY_BYTES = 1 << 16


class MembersChange(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What `POST /members` takes: the membership wanted, and places that are news."""

    voters: frozenset[int]
    learners: frozenset[int] = frozenset()
    places: dict[int, str] = {}
    """Peer addresses of members that are new."""


class LeaderChange(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What `POST /leader` takes."""

    to: int


class Api:
    """The routes of one node."""

    def __init__(self, host: Host, doors: dict[str, str]) -> None:
        self._host, self._doors = host, doors
        self._metrics = Metrics(host)

    def app(self, trusted: list[str]) -> Starlette:
        """Return the application; only requests to the names in `trusted` are answered."""
        return Starlette(
            routes=[
                Route("/livez", self.livez),
                Route("/readyz", self.readyz),
                Route("/metrics", self.metrics),
                Route("/status", self.status),
                Route("/digest", self.digest),
                Route("/members", self.members, methods=["POST"]),
                Route("/leader", self.leader, methods=["POST"]),
                Route("/backup", self.backup, methods=["POST"]),
            ],
            middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=trusted)],
        )

    async def livez(self, request: Request) -> Response:
        """Is the process worth keeping?"""
        alive = not self._host.failure.done()
        return PlainTextResponse("ok\n" if alive else "stopped\n", 200 if alive else 503)

    async def readyz(self, request: Request) -> Response:
        """May clients be sent here?  `?verbose` tells why not."""
        reasons = unready(self._host)
        text = "ok\n" if not reasons else "not ready\n"
        if "verbose" in request.query_params:
            text += "".join(f"- {reason}\n" for reason in reasons)
        return PlainTextResponse(text, 503 if reasons else 200)

    async def metrics(self, request: Request) -> Response:
        """For Prometheus."""
        return Response(self._metrics.text(), media_type=CONTENT_TYPE)

    async def status(self, request: Request) -> Response:
        """Everything `comitia status` shows."""
        return _json(status(self._host, self._doors))

    async def digest(self, request: Request) -> Response:
        """What replicas that have applied up to the same slot share; stops the node meanwhile."""
        digest = self._host.application.digest()
        return _json({"applied": self._host.applied, "digest": digest.hex()})

    async def members(self, request: Request) -> Response:
        """Change the membership, on the leader."""

        async def act(body: bytes) -> None:
            change = msgspec.json.decode(body, type=MembersChange)
            now_ms = time.time_ns() // 1_000_000
            book = self._host.links.book
            book.learn(
                [Place(id, Address.parse(at), stamp=now_ms) for id, at in change.places.items()]
            )
            view = self._host.view
            await self._host.operations.reconfigure(change.voters, change.learners)
            removed = {*view.voters, *view.learners} - change.voters - change.learners
            book.learn(
                replace(place, stamp=now_ms, gone=True)
                for id in sorted(removed)
                if (place := book.place(id)) is not None
            )

        return await self._operation(request, act)

    async def leader(self, request: Request) -> Response:
        """Hand leadership over, on the leader."""

        async def act(body: bytes) -> None:
            await self._host.operations.transfer(msgspec.json.decode(body, type=LeaderChange).to)

        return await self._operation(request, act)

    async def backup(self, request: Request) -> Response:
        """A copy of the state with all that was acknowledged before, as `comitia.net.backups`."""
        if (refusal := _foreign(request)) is not None:
            return refusal
        if not isinstance(self._host.node, Replica):
            return _error(
                409,
                f"{self._host.protocol.name} keeps a register for each key and no log: "
                "there is no moment at which a copy could show all of them",
            )
        try:
            await asyncio.wait_for(self._host.operations.catch_up(), OPERATION_S)
            pieces = backups.stream(self._host)
            head = await anext(pieces)
        except Busy as error:
            return _error(409, str(error))
        except TimeoutError:
            return _error(504, "no quorum answers: a copy might lack what was acknowledged")
        return StreamingResponse(_joined(head, pieces), media_type="application/octet-stream")

    async def _operation(
        self, request: Request, act: Callable[[bytes], Awaitable[None]]
    ) -> Response:
        if (refusal := _foreign(request)) is not None:
            return refusal
        body = b""
        async for piece in request.stream():
            body += piece
            if len(body) > BODY_BYTES:
                return _error(413, "the request is too large")
        try:
            await asyncio.wait_for(act(body), OPERATION_S)
        except (msgspec.MsgspecError, ValueError) as error:
            return _error(400, str(error))
        except Refused as error:
            return _error(409, str(error), leader=self._host.view.leader)
        except TimeoutError:
            return _error(504, "outcome unknown: ask again for the status")
        return _json({"done": True})


async def _joined(head: bytes, pieces: AsyncGenerator[bytes]) -> AsyncIterator[bytes]:
    async with contextlib.aclosing(pieces):
        yield head
        async for piece in pieces:
            yield piece


def _foreign(request: Request) -> Response | None:
    """Refuse what a page in a browser could send here without asking first."""
    if request.headers.get("content-type") != "application/json":
        return _error(415, "send application/json")
    return None


def _json(value: object, code: int = 200) -> Response:
    return Response(msgspec.json.encode(value), code, media_type="application/json")


def _error(code: int, reason: str, **more: object) -> Response:
    return _json({"error": reason, **more}, code)


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """The process has its own handlers."""
        yield


class HttpServer:
    """Serves an `Api` on a listening socket until it is closed."""

    def __init__(self, api: Api, listen: socket.socket) -> None:
        host = listen.getsockname()[0]
        loopback = host in ("127.0.0.1", "::1")
        trusted = ["127.0.0.1", "localhost", "[::1]"] if loopback else ["*"]
        config = uvicorn.Config(
            api.app(trusted),
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            limit_concurrency=256,
            timeout_keep_alive=30,
        )
        self._server = _Server(config)
        self._task = asyncio.create_task(self._server.serve([listen]))

    async def close(self) -> None:
        """Stop; requests under way are given a moment."""
        self._server.should_exit = True
        await asyncio.wait([self._task], timeout=1)
        self._task.cancel()
