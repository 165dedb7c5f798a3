"""A small answer does not wait for the browser to acknowledge its header."""

import socket

from triage.web.sockets import answer_at_once


def test_every_connection_accepted_later_sends_at_once() -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        answer_at_once()
        with socket.create_connection(listening.getsockname()) as browser:
            accepted, _ = listening.accept()
            with accepted:
                assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
                accepted.sendall(b"answer")
                assert browser.recv(6) == b"answer"


def test_sockets_of_other_kinds_are_left_alone() -> None:
    one, other = socket.socketpair()
    with one, other:
        answer_at_once()
        one.sendall(b"still there")
        assert other.recv(11) == b"still there"
