"""RESP, the protocol of Redis: commands out of the bytes that clients send.

Whole commands in one piece, nearly all there are, go through hiredis.  Everything else goes
through `Strict`, which reads exactly what redis-server reads and complains in its words: inline
commands, a command that has not arrived whole, garbage.  So no header is trusted: a bulk of 1 GiB
is refused when it is announced.

**Differs** from Redis in one thing: where a bulk string must stand, hiredis lets a simple one pass.
"""

from __future__ import annotations

from itertools import chain
from typing import ClassVar

import hiredis

MAX_ARGUMENTS = 1 << 20
MAX_BULK = 32 << 20
"""The longest argument, in bytes; see `comitia.machines.redis.arguments.MAX_STRING`."""
MAX_REQUEST = 48 << 20
"""The longest command, in bytes: it must fit into a frame between members."""
MAX_LINE = 64 << 10
"""The longest header or inline command, in bytes."""

Command = list[bytes]


class ProtocolError(ValueError):
    """These bytes are no request; the text is what Redis says."""


class Requests:
    """The commands of one connection."""

    # One for all connections: it holds nothing between two calls.
    _reader: ClassVar[hiredis.Reader] = hiredis.Reader()

    def __init__(self) -> None:
        self.error: ProtocolError | None = None
        """Set when the bytes after the commands returned were no request: answer and close."""
        self._strict = Strict()

    def feed(self, data: bytes) -> list[Command]:
        """Return the commands that `data` completes, in order."""
        if self.error is not None:
            return []
        if not self._strict.pending:
            commands = self._quick(data)
            if commands is not None:
                return commands
            # Most often only the last command is incomplete.
            end = data.rfind(b"\r\n*") + 2
            if end > 2:
                commands = self._quick(data[:end])
                if commands is not None:
                    return commands + self._slow(data[end:])
        return self._slow(data)

    def _quick(self, data: bytes) -> list[Command] | None:
        """Return the commands in `data` if it is made of whole ones only, else None."""
        reader = self._reader
        try:
            reader.feed(data)
            first = reader.gets()
            if type(first) is list and first and not reader.has_data():
                b"".join(first)  # hiredis reads any reply; a command is a non-empty list of bytes
                return [first]
            # If everything before the mark is whole, the mark comes back by itself at the end.
            reader.feed(b"+\r\n")
            commands = [] if first is False else [first]
            commands.extend(iter(reader.gets, False))
            if commands and commands.pop() == b"":
                b"".join(chain.from_iterable(commands))
                if all(commands) and set(map(type, commands)) <= _LISTS:
                    return commands
        except (hiredis.ProtocolError, TypeError):
            commands = []
        Requests._reader = hiredis.Reader()
        return None

    def _slow(self, data: bytes) -> list[Command]:
        commands: list[Command] = []
        position = 0
        try:
            while position < len(data):
                command, position = self._strict.feed(data, position)
                if command:
                    commands.append(command)
        except ProtocolError as error:
            self.error = error
        return commands


_LISTS = {list}


class Strict:
    """Reads one command at a time, from bytes that come in any pieces."""

    def __init__(self) -> None:
        self._restart()

    def _restart(self) -> None:
        self.pending = False
        """Has a command begun and not ended?"""
        self._line = b""  # of a header or an inline command that has not ended
        self._args: Command = []
        self._expected = -1  # how many arguments; -1 before that is known
        self._pieces: list[bytes] = []  # of the bulk being read
        self._missing = -1  # bytes of that bulk with its line end; -1 before its header is read
        self._size = 0

    def feed(self, data: bytes, position: int) -> tuple[Command | None, int]:
        """Read `data` from `position`; return a command, when one ends, and where.

        The command is empty when the client sent an empty one; None means that all was read and
        the command goes on.  Raises ProtocolError.
        """
        self.pending = True
        while position < len(data):
            if self._missing >= 0:
                position = self._bulk(data, position)
            else:
                line, position = self._read_line(data, position)
                if line is None:
                    break
                if self._expected >= 0:
                    self._bulk_header(line)
                elif line.startswith(b"*"):
                    self._expected = _length(line, MAX_ARGUMENTS, "multibulk")
                else:
                    self._restart()
                    return split_inline(line), position
            if self._expected == len(self._args) or self._expected == 0:
                command = self._args
                self._restart()
                return command, position
        return None, position

    def _read_line(self, data: bytes, position: int) -> tuple[bytes | None, int]:
        """Return a line without its end and where it ends, or None when it does not end yet."""
        end = data.find(b"\n", position)
        self._line += data[position:] if end < 0 else data[position:end]
        kind = self._line[:1]
        if self._expected >= 0 and kind not in b"$":
            shown = kind.decode("latin-1")
            raise ProtocolError(f"Protocol error: expected '$', got '{shown}'")
        if len(self._line) > MAX_LINE:
            what = {b"*": "mbulk count string", b"$": "bulk count string"}
            name = what.get(kind, "inline request")
            raise ProtocolError(f"Protocol error: too big {name}")
        if end < 0:
            return None, len(data)
        line, self._line = self._line, b""
        return line.removesuffix(b"\r"), end + 1

    def _bulk_header(self, line: bytes) -> None:
        length = _length(line, MAX_BULK, "bulk")
        self._size += length
        if length < 0:
            raise ProtocolError("Protocol error: invalid bulk length")
        if self._size > MAX_REQUEST:
            raise ProtocolError(f"Protocol error: a request of more than {MAX_REQUEST} bytes")
        self._missing = length + 2

    def _bulk(self, data: bytes, position: int) -> int:
        piece = data[position : position + self._missing]
        self._pieces.append(piece)
        self._missing -= len(piece)
        if self._missing == 0:
            self._args.append(b"".join(self._pieces)[:-2])
            self._pieces, self._missing = [], -1
        return position + len(piece)


def _length(line: bytes, most: int, what: str) -> int:
    """Return the number after the first byte of a header; -1 or less is for the caller."""
    digits = line[1:]
    try:
        number = int(digits) if len(digits) <= 20 else most + 1
    except ValueError:
        number = most + 1
    if number > most or b"%d" % number != digits:
        raise ProtocolError(f"Protocol error: invalid {what} length")
    return number


_SPACE = b" \t\r\n\v\f\0"
_ESCAPES = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"a": b"\a"}
_HEX = frozenset(b"0123456789abcdefABCDEF")


def split_inline(line: bytes) -> Command:
    """Return the words of an inline command; quotes group, backslashes escape as in redis-cli.

    Raises ProtocolError when a quote is not closed, or closed in the middle of a word.
    """
    words: Command = []
    position = 0
    while True:
        while position < len(line) and line[position] in _SPACE:
            position += 1
        if position >= len(line):
            return words
        word, position = _word(line, position)
        words.append(word)


def _word(line: bytes, position: int) -> tuple[bytes, int]:
    word = bytearray()
    while position < len(line) and line[position] not in _SPACE:
        quote = line[position : position + 1]
        if quote in (b'"', b"'"):
            piece, position = _quoted(line, position + 1, quote)
            word += piece
            if position < len(line) and line[position] not in _SPACE:
                raise ProtocolError("Protocol error: unbalanced quotes in request")
        else:
            word += quote
            position += 1
    return bytes(word), position


def _quoted(line: bytes, position: int, quote: bytes) -> tuple[bytes, int]:
    """Return what stands between quotes, and where they have ended."""
    piece = bytearray()
    while position < len(line):
        char = line[position : position + 1]
        if char == quote:
            return bytes(piece), position + 1
        if char == b"\\" and quote == b'"' and position + 1 < len(line):
            code = line[position + 2 : position + 4]
            if line[position + 1 : position + 2] == b"x" and len(code) == 2 and set(code) <= _HEX:
                piece.append(int(code, 16))
                position += 4
                continue
            char = line[position + 1 : position + 2]
            char = _ESCAPES.get(char, char)
            position += 1
        elif line[position : position + 2] == b"\\'" and quote == b"'":
            char = b"'"
            position += 1
        piece += char
        position += 1
    raise ProtocolError("Protocol error: unbalanced quotes in request")
