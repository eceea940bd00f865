"""The bus in Python, for tests that play a process of the broker: messages are
read from the table in broker/bus/messages.h, so that nothing is told twice."""

import pathlib
import re
import socket
import struct

HEADER = (pathlib.Path(__file__).resolve().parents[2] / "broker" / "bus" /
          "messages.h")
INTEGERS = {"U8": "<B", "U16": "<H", "U32": "<I", "U64": "<Q"}
PACKET_MAX = 160 << 10


def _read_table():
    text = re.sub(r"/\*.*?\*/", "", HEADER.read_text(), flags=re.S)
    text = text.replace("\\\n", " ")
    fields = {}
    for name, body in re.findall(
            r"#define CRB_FIELDS_(\w+)\(F\)([^\n]*)", text):
        other = re.search(r"CRB_FIELDS_(\w+)\(F\)", body)
        fields[name] = (fields[other.group(1)] if other else
                        re.findall(r"F\((\w+), (\w+),", body))
    table = re.search(r"#define CRB_MESSAGES\(M\)([^\n]*)", text).group(1)
    names = re.findall(r"M\((\w+),", table)
    return ({n: (i + 1, fields[n]) for i, n in enumerate(names)},
            {i + 1: n for i, n in enumerate(names)})


BY_NAME, BY_NUMBER = _read_table()


def encode(kind, /, **values):
    number, fields = BY_NAME[kind]
    packet = [struct.pack("<H", number)]
    for kind, field in fields:
        value = values.pop(field, 0 if kind in INTEGERS else b"")
        if kind in INTEGERS:
            packet.append(struct.pack(INTEGERS[kind], value))
            continue
        if isinstance(value, str):
            value = value.encode()
        packet += [struct.pack("<I", len(value)), bytes(value)]
    if values:
        raise KeyError(f"{kind} has no {', '.join(values)}")
    return b"".join(packet)


def decode(packet):
    """(name, fields); TEXT and BYTES are bytes."""
    name = BY_NUMBER[struct.unpack_from("<H", packet)[0]]
    at, values = 2, {}
    for kind, field in BY_NAME[name][1]:
        form = INTEGERS.get(kind, "<I")
        value, = struct.unpack_from(form, packet, at)
        at += struct.calcsize(form)
        if kind not in INTEGERS:
            value, at = packet[at:at + value], at + value
        values[field] = value
    assert at == len(packet), f"{name}: {len(packet) - at} bytes too many"
    return name, values


def spell_out(name, fields):
    """What one message says that stands for several, as those would say it."""
    if name == "REQUEST_WHOLE":
        return [("REQUEST_HEAD", fields), ("REQUEST_END", {})]
    if name == "RESPONSE_WHOLE":
        body = fields.pop("data")
        return ([("RESPONSE_HEAD", fields)] +
                ([("RESPONSE_BODY", {"data": body})] if body else []) +
                [("RESPONSE_END", {"clean": 1})])
    return [(name, fields)]


class End:
    """One end of a bus or a stream."""

    def __init__(self, sock, timeout=60):
        self.sock = sock
        self.confined = None
        self.waiting = []
        sock.settimeout(timeout)

    def send(self, name, /, fd=None, **values):
        packet = encode(name, **values)
        if fd is None:
            self.sock.send(packet)
        else:
            socket.send_fds(self.sock, [packet], [fd])

    def receive(self):
        """(name, fields), or (None, None) when the other end is gone."""
        if not self.waiting:
            self.waiting = spell_out(*self.receive_packet())
        return self.waiting.pop(0)

    def receive_packet(self):
        """The same, of one packet as it is."""
        while True:
            try:
                packet = self.sock.recv(PACKET_MAX)
            except ConnectionResetError:
                return None, None
            if not packet:
                return None, None
            name, fields = decode(packet)
            if not name.endswith("_CONFINED"):
                return name, fields
            # Said once, at start; a test that wants it looks here.
            self.confined = fields

    def close(self):
        self.sock.close()


def pair():
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
