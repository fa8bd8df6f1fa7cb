"""What a session writes for a message, read by the server side of the library that reads the answers."""

import pytest
from websockets.frames import Opcode
from websockets.protocol import Protocol, Side, State

from chargebridge.link.endpoint import Endpoint
from chargebridge.link.session import Session

pytestmark = pytest.mark.unit


class Transport:
    """Keeps what is written to it."""

    def __init__(self):
        self.written = []

    def set_write_buffer_limits(self, high):
        pass

    def set_protocol(self, protocol):
        pass

    def write(self, data):
        self.written.append(data)


@pytest.fixture
def transport():
    return Transport()


@pytest.fixture
def session(transport):
    return Session(None, transport, Endpoint("ws://127.0.0.1/ocpp"))


@pytest.mark.parametrize("length", [0, 1, 125, 126, 65_535, 65_536, 70_001])
def test_a_message_of_any_length_is_one_frame_that_a_server_reads(session, transport, length):
    message = bytes(32 + number % 90 for number in range(length))
    assert session.send(message)
    server = Protocol(Side.SERVER, state=State.OPEN)
    server.receive_data(b"".join(transport.written))
    (frame,) = server.events_received()
    assert (frame.opcode, frame.fin, bytes(frame.data)) == (Opcode.TEXT, True, message)


def test_each_frame_has_a_mask_of_its_own(session, transport):
    for _ in range(8):
        session.send(b"the same")
    assert len({frame[2:6] for frame in transport.written}) == 8


def test_after_a_close_nothing_more_is_sent(session, transport):
    session.close(1000, "done")
    written = list(transport.written)
    assert not session.send(b"too late")
    assert transport.written == written
