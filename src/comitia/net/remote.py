"""What other programs ask of a running node, over its HTTP port."""

from __future__ import annotations

import http.client
import json
from typing import Any

import msgspec

from comitia.net.book import Address
from comitia.net.status import Status

TIMEOUT_S = 20.0


def call(method: str, at: str, path: str, body: object = None, timeout_s: float = TIMEOUT_S) -> Any:
    """Return (code, decoded JSON) of a node's answer.  Raises OSError."""
    connection = connected(at, timeout_s)
    try:
        data = None if body is None else json.dumps(body)
        connection.request(method, path, data, {"content-type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
        try:
            return answer.status, json.loads(text)
        except ValueError:
            return answer.status, {"error": text.decode(errors="replace").strip()}
    except http.client.HTTPException as error:
        raise ConnectionError(f"{at} does not speak HTTP: {error!r}") from error
    finally:
        connection.close()


def connected(at: str, timeout_s: float) -> http.client.HTTPConnection:
    """Return a connection, not opened yet, to the node at `at`.  Raises ValueError."""
    address = Address.parse(at)
    return http.client.HTTPConnection(address.host, address.port, timeout=timeout_s)


def status_of(at: str) -> Status:
    """Return the status of the node at `at`.  Raises OSError."""
    code, answer = call("GET", at, "/status", timeout_s=3)
    if code != 200:
        raise ConnectionError(f"{at}: {answer.get('error', code)}")
    try:
        return msgspec.convert(answer, Status)
    except msgspec.ValidationError as error:
        raise ConnectionError(f"{at} is no node of this version: {error}") from error
