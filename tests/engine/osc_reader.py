"""A strict reader of OSC 1.0, written from the specification and sharing no code with the sender."""

import struct


def read_string(data: bytes, at: int) -> tuple[str, int]:
    end = data.index(b"\0", at)
    after = (end // 4 + 1) * 4
    assert after <= len(data) and set(data[end:after]) == {0}, "a string is padded with zeros to four bytes"
    return data[at:end].decode("ascii"), after


def read_message(data: bytes) -> tuple[str, str, list[float]]:
    """(address, type tags, arguments)"""
    assert len(data) % 4 == 0
    address, at = read_string(data, 0)
    assert address.startswith("/")
    tags, at = read_string(data, at)
    assert tags.startswith(",")
    values: list[float] = []
    for tag in tags[1:]:
        assert tag in "if", f"{address} has an argument of type {tag}"
        values += struct.unpack_from(">i" if tag == "i" else ">f", data, at)
        at += 4
    assert at == len(data), "nothing follows the arguments"
    return address, tags[1:], values


def read_bundle(data: bytes) -> tuple[int, dict[str, tuple[str, list[float]]]]:
    """(time tag, {address: (type tags, arguments)})"""
    assert data[:8] == b"#bundle\0" and len(data) % 4 == 0
    (time_tag,) = struct.unpack_from(">Q", data, 8)
    at, messages = 16, {}
    while at < len(data):
        (size,) = struct.unpack_from(">i", data, at)
        assert size > 0 and size % 4 == 0 and at + 4 + size <= len(data)
        address, tags, values = read_message(data[at + 4 : at + 4 + size])
        assert address not in messages
        messages[address] = (tags, values)
        at += 4 + size
    return time_tag, messages
