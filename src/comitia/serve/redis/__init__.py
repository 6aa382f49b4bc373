"""The Redis front door: `door.py` listens, `connection.py` is one client, `front.py` joins it all.

Data commands go to the backend; `client.py`, `about.py` and `transaction.py` declare what a member
answers by itself.  The reference is redis-server 7.0.
"""

from comitia.serve.redis.door import Door
from comitia.serve.redis.front import RedisFront

__all__ = ["Door", "RedisFront"]
