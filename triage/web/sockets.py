"""Small answers go out at once."""

import os
import socket
import stat
from contextlib import suppress

FIRST = 3
"""Behind standard input, output and error."""
MOST = 1024


def answer_at_once() -> None:
    """Turns Nagle's algorithm off for every connection that this process will accept.

    Streamlit opens its socket without naming a protocol, so asyncio does not know that it is TCP and leaves the
    algorithm on: the body of each answer then waits 40 ms for the browser to acknowledge the header. What accepts a
    connection hands its option down to it.
    """
    for descriptor in range(FIRST, MOST):
        # Closed meanwhile, no socket, or one that knows no such option.
        with suppress(OSError):
            if stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                turn_off(descriptor)


def turn_off(descriptor: int) -> None:
    """The same for one socket of this process. Raises OSError."""
    with socket.socket(fileno=os.dup(descriptor)) as one:
        if one.family in (socket.AF_INET, socket.AF_INET6) and one.type == socket.SOCK_STREAM:
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
