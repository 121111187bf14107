"""Sends commands, reads framed answers: python3 client.py HOST:PORT, commands from standard input.
Prints the length that the header announced, a colon, and the answer."""
import socket
import struct
import sys


def read_exactly(conn, n):
    data = b""
    while len(data) < n:
        piece = conn.recv(min(n - len(data), 1024))
        if not piece:
            raise EOFError("got %d of %d bytes" % (len(data), n))
        data += piece
    return data


host, port = sys.argv[1].split(":")
client = socket.create_connection((host, int(port)))
for line in sys.stdin:
    line = line.rstrip("\n")
    if not line:  # 0 bytes would put nothing on the wire, and the answer never came
        continue
    client.sendall(line.encode("utf-8"))
    size = struct.unpack("<i", read_exactly(client, 4))[0]
    print("%d:%s" % (size, read_exactly(client, size).decode("utf-8", errors="replace")))
client.close()
