"""Fixtures of this folder."""

from redis_peer import peer, redis_server

__all__ = ["peer", "redis_server"]
