"""Sends commands, reads answers behind a JSON header: python3 client.py HOST:PORT, commands from standard input.
Prints the name and the size that the header announced, a colon, and the answer."""
import hashlib
import json
import socket
import struct
import sys


def read_exactly(conn, n):
    data = bytearray(n)  # with bytes, data += piece would copy all that came before, for each piece
    got = 0
    while got < n:
        received = conn.recv_into(memoryview(data)[got:])
        if received == 0:
            raise EOFError("got %d of %d bytes" % (got, n))
        got += received
    return data


host, port = sys.argv[1].split(":")
client = socket.create_connection((host, int(port)))
for line in sys.stdin:
    line = line.rstrip("\n")
    if not line:  # 0 bytes would put nothing on the wire, and the answer never came
        continue
    client.sendall(line.encode("utf-8"))
    size = struct.unpack("<i", read_exactly(client, 4))[0]
    text = read_exactly(client, size).decode("utf-8")
    header = json.loads(text)
    assert list(header) == ["file_name", "total_size", "md5"], text
    answer = read_exactly(client, header["total_size"])
    assert hashlib.md5(answer).hexdigest() == header["md5"], text
    print("%s %d:%s" % (header["file_name"], header["total_size"], answer.decode("utf-8", errors="replace")))
client.close()
