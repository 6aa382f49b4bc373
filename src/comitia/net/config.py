"""What a node is told before it starts: a TOML file, then COMITIA_* variables, then flags."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from comitia.net.book import Address

Reads = Literal["lease", "index", "stale"]


class ConfigError(ValueError):
    """The configuration cannot be used; the text says which setting and why."""


class Config(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """One node's settings."""

    cluster: str = "comitia"
    """Nodes of different clusters never talk to each other."""
    node: int = 1
    protocol: str = "raft"
    data: str = "comitia-data/n1"
    reads: Reads = "lease"
    """lease and index are linearizable; stale answers from whatever this node has applied."""
    redis: str = "127.0.0.1:7001"
    peer: str = "127.0.0.1:7101"
    http: str = "127.0.0.1:7201"
    advertise: str = ""
    """Where other nodes reach this one, if not at `peer`."""
    members: dict[str, str] = {}
    """The founding members: their numbers and peer addresses.  A node that is not among them
    waits until it is added.
    """
    options: dict[str, int | bool | str] = {}
    """The protocol's own."""
    log: Literal["text", "json"] = "text"
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    def founders(self) -> dict[int, Address]:
        """Return the founding members; of a cluster of one when none are named."""
        if not self.members:
            return {self.node: Address.parse(self.advertise or self.peer)}
        return {_number(name): self.address("members", at) for name, at in self.members.items()}

    def address(self, setting: str, text: str) -> Address:
        """Return `text` as an address.  Raises ConfigError, naming the setting."""
        try:
            return Address.parse(text)
        except ValueError as error:
            raise ConfigError(f"{setting}: {error}") from error

    def check(self) -> None:
        """Raise ConfigError when the settings cannot work together."""
        if self.node < 1:
            raise ConfigError(f"node: {self.node} is no number of a node: 1, 2, 3, ...")
        if not 0 < len(self.cluster) <= 64:
            raise ConfigError("cluster: want a name of 1 to 64 characters")
        for setting in ("redis", "peer", "http"):
            self.address(setting, getattr(self, setting))
        self.founders()


def load(path: Path | None, environment: Mapping[str, str], flags: Mapping[str, Any]) -> Config:
    """Return the settings of the file at `path`, overridden by variables, then by flags.

    A flag that is None was not given.  Raises ConfigError.
    """
    settings: dict[str, Any] = {}
    if path is not None:
        try:
            settings = tomllib.loads(path.read_text())
        except OSError as error:
            raise ConfigError(f"{path}: {error.strerror}") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path}: {error}") from error
    for field in Config.__struct_fields__:
        if (text := environment.get(f"COMITIA_{field.upper()}")) is not None:
            settings[field] = pairs(text) if field in ("members", "options") else text
    settings |= {name: value for name, value in flags.items() if value is not None}
    try:
        # Not strict: variables are text, and so are numbers in them.
        config = msgspec.convert(settings, Config, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigError(str(error)) from error
    config.check()
    return config


def pairs(text: str) -> dict[str, str]:
    """Return the settings in `name=value,name=value`.  Raises ConfigError."""
    found = {}
    for pair in filter(None, text.split(",")):
        name, equals, value = pair.partition("=")
        if not equals:
            raise ConfigError(f"{pair!r}: want name=value")
        found[name.strip()] = value.strip()
    return found


def _number(name: str) -> int:
    digits = name.removeprefix("n")
    if not digits.isdecimal() or int(digits) < 1:
        raise ConfigError(f"members: {name!r} is no number of a node")
    return int(digits)
