"""Datagrams by the batch: one system call receives up to `BATCH`, one sends their replies (recvmmsg(2), sendmmsg(2)).

Python's socket makes a call, a bytes object and an address tuple for each datagram and as much again for its reply;
here addresses stay where the kernel wrote them, and it reads them again from there (measured in docs/adr/0016). A reply
leaves from the address that its query came to, also where the socket is bound to every address (ip(7), IP_PKTINFO).
What a datagram says is not known here.
"""

import ctypes
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass

BATCH = 32
"""Datagrams per call: the call's cost is spread thin, and an answer does not wait long for the others."""

SLOT_BYTES = 65_536 + 256
"""Room for the largest datagram; 256 more, so that the beginnings of slots do not fight for the same cache lines."""

ADDRESS_BYTES = {socket.AF_INET: 16, socket.AF_INET6: 28}
CONTROL_BYTES = 64
"""Room for one IP_PKTINFO (32 bytes) or IPV6_PKTINFO (40)."""

IP_PKTINFO = 8
"""ip(7); the socket module does not name it."""

_CONTROL_HEADER = struct.Struct("@Nii")  # cmsg(3): length with this header, level, type
_INTERFACE = slice(_CONTROL_HEADER.size, _CONTROL_HEADER.size + 4)
_NO_INTERFACE = bytes(4)
_ADDRESS4 = struct.Struct("!2xH4s")
_ADDRESS6 = struct.Struct("!2xHI16s")
_SCOPE = struct.Struct("@24xI")
_MAPPED = bytes(10) + b"\xff\xff"
"""IPv4 addresses within IPv6 (RFC 4291, section 2.5.5.2)."""


class _Vector(ctypes.Structure):
    base: int | None
    size: int
    _fields_ = (("base", ctypes.c_void_p), ("size", ctypes.c_size_t))


class _Header(ctypes.Structure):
    name: int | None
    name_size: int
    vectors: int | None
    vector_count: int
    control: int | None
    control_size: int
    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_size", ctypes.c_uint32),
        ("vectors", ctypes.c_void_p),
        ("vector_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_size", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class _Message(ctypes.Structure):
    header: _Header
    _fields_ = (("header", _Header), ("size", ctypes.c_uint32))


_libc = ctypes.CDLL(None)
_receive = _libc.recvmmsg
_receive.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int, ctypes.c_void_p)
_send = _libc.sendmmsg
_send.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int)


@dataclass(frozen=True, slots=True)
class Peer:
    """Where a datagram came from, and where it came to, for a reply that is sent later."""

    address: tuple[str | int, ...]
    ancillary: tuple[tuple[int, int, bytes], ...]


class Datagrams:
    """The batches of one bound socket, which does not block."""

    def __init__(self, opened: socket.socket) -> None:
        """Take a socket; where it is bound to every address, replies are told where their queries came to."""
        self._socket, self._number = opened, opened.fileno()
        self._ipv6 = opened.family == socket.AF_INET6
        told = opened.getsockname()[0] in {"0.0.0.0", "::"}
        if told and self._ipv6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        elif told:
            opened.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
        self._forgets_interface = told and not self._ipv6
        self.dropped = 0
        """Replies that the kernel did not take."""

        self._space = bytearray(BATCH * SLOT_BYTES)  # zeroed by the kernel: only pages that are used take memory
        self._view = memoryview(self._space)
        self._address_bytes = ADDRESS_BYTES[socket.AddressFamily(opened.family)]
        self._addresses = bytearray(BATCH * self._address_bytes)
        self._controls = bytearray(BATCH * CONTROL_BYTES)
        self._vectors, self._messages = (_Vector * BATCH)(), (_Message * BATCH)()
        space, addresses, controls = map(_address_of, (self._space, self._addresses, self._controls))
        for slot in range(BATCH):
            self._vectors[slot].base = space + slot * SLOT_BYTES
            self._vectors[slot].size = SLOT_BYTES
            header = self._messages[slot].header
            header.name, header.name_size = addresses + slot * self._address_bytes, self._address_bytes
            header.vectors = ctypes.addressof(self._vectors) + slot * ctypes.sizeof(_Vector)
            header.vector_count = 1
            if told:
                header.control, header.control_size = controls + slot * CONTROL_BYTES, CONTROL_BYTES
        self._at_messages = ctypes.addressof(self._messages)
        self._vector_words = memoryview(self._vectors).cast("B").cast("L")
        self._message_words = memoryview(self._messages).cast("B").cast("I")
        self._fresh_vectors = memoryview(bytes(self._vector_words)).cast("L")
        self._fresh_messages = memoryview(bytes(self._message_words)).cast("I")
        words, first = ctypes.sizeof(_Message) // 4, ctypes.sizeof(_Header) // 4
        self._slots = [(slot, slot * SLOT_BYTES, 2 * slot + 1, slot * words + first) for slot in range(BATCH)]

    def exchange(self, ready: Callable[[bytes], bytes | None], answer: Callable[[bytes, int], bytes | None]) -> int:
        """Receive what waits, answer it, and send the replies; how many datagrams there were, at most `BATCH`.

        Args:
            ready: the reply to a datagram, if it is there already.
            answer: asked otherwise, with the slot for `client` and `peer`; None where no reply is sent now.
        """
        self._vector_words[:] = self._fresh_vectors
        words = self._message_words
        words[:] = self._fresh_messages
        count = int(_receive(self._number, self._at_messages, BATCH, 0, None))
        if count <= 0:
            return 0  # nothing waits; or an ICMP error of an earlier reply, which concerns nobody here
        space, view, sizes = self._space, self._view, self._vector_words
        unsent = 0
        for slot, start, size, length in self._slots[:count]:
            data = bytes(view[start : start + words[length]])
            reply = ready(data)
            if reply is None:
                reply = answer(data, slot)
                if reply is None:
                    self._send(unsent, slot)
                    unsent = slot + 1
                    continue
            stop = len(reply)
            space[start : start + stop] = reply
            sizes[size] = stop
        self._send(unsent, count)
        return count

    def client(self, slot: int) -> bytes:
        """The 4 or 16 bytes of a sender's address; an IPv4 sender to an IPv6 socket is an IPv4 sender."""
        start = slot * self._address_bytes
        if not self._ipv6:
            return bytes(self._addresses[start + 4 : start + 8])
        packed = bytes(self._addresses[start + 8 : start + 24])
        return packed[12:] if packed.startswith(_MAPPED) else packed

    def peer(self, slot: int) -> Peer:
        """What `send` needs to reply later."""
        raw = self._addresses[slot * self._address_bytes : (slot + 1) * self._address_bytes]
        address: tuple[str | int, ...]
        if self._ipv6:
            port, flow, packed = _ADDRESS6.unpack_from(raw)
            address = (socket.inet_ntop(socket.AF_INET6, packed), port, flow, *_SCOPE.unpack_from(raw))
        else:
            port, packed = _ADDRESS4.unpack_from(raw)
            address = (socket.inet_ntop(socket.AF_INET, packed), port)
        header = self._messages[slot].header
        if not header.control or not header.control_size:
            return Peer(address, ())
        control = self._control(slot)
        length, level, kind = _CONTROL_HEADER.unpack_from(control)
        return Peer(address, ((level, kind, bytes(control[_CONTROL_HEADER.size : length])),))

    def send(self, peer: Peer, reply: bytes) -> None:
        """Send one reply later."""
        try:
            self._socket.sendmsg([reply], peer.ancillary, 0, peer.address)
        except OSError:
            self.dropped += 1  # the send buffer is full or the peer unreachable: UDP clients ask again

    def _send(self, first: int, stop: int) -> None:
        if self._forgets_interface:
            for slot in range(first, stop):
                self._control(slot)[_INTERFACE] = _NO_INTERFACE  # the route back is the routing table's affair
        while first < stop:
            at = self._at_messages + first * ctypes.sizeof(_Message)
            sent = int(_send(self._number, at, stop - first, 0))
            if sent <= 0:
                self.dropped += 1  # as in `send`
                sent = 1
            first += sent

    def _control(self, slot: int) -> memoryview:
        return memoryview(self._controls)[slot * CONTROL_BYTES : (slot + 1) * CONTROL_BYTES]


def _address_of(space: bytearray) -> int:
    """Where a bytearray is, and stays: it moves only when its size changes."""
    return ctypes.addressof((ctypes.c_char * len(space)).from_buffer(space))
