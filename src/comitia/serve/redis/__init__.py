"""The Redis front door: `door.py` listens, `connection.py` is one client.

Data commands go to the backend; `client.py`, `about.py` and `transaction.py` declare what a member
answers by itself.  The reference is redis-server 7.0.
"""

from comitia.serve.redis.door import Door

__all__ = ["Door"]
