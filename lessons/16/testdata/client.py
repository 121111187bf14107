"""A client of lesson 16 in Python: python3 client.py HOST:PORT, with commands on standard input"""
import json
import socket
import struct
import sys

MOST = 1 << 20  # bytes; a server may be hostile, too


def exactly(conn, size):
    if not 0 <= size <= MOST:
        raise ValueError("%d bytes are announced" % size)
    parts = []
    while size > 0:
        part = conn.recv(min(size, 65536))
        if not part:
            raise EOFError("the message was cut short")
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


host, port = sys.argv[1].rsplit(":", 1)
with socket.create_connection((host, int(port)), timeout=15) as conn:
    for line in sys.stdin:
        command = line.rstrip("\n").encode()
        header = json.dumps({"status": 0, "total_size": len(command)}).encode()
        conn.sendall(struct.pack("<i", len(header)) + header + command)
        header = json.loads(exactly(conn, struct.unpack("<i", exactly(conn, 4))[0]))
        print("%d %r" % (header["status"], exactly(conn, header["total_size"]).decode()))
