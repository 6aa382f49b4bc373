"""Bytes without sockets."""
