"""Puts and gets files: python3 client.py HOST:PORT. Lines of standard input are "put NAME CONTENT", "get NAME" or
"list". Prints what the server stored, sent or said."""
import hashlib
import json
import socket
import struct
import sys


def read_exactly(conn, n):
    data = bytearray(n)
    got = 0
    while got < n:
        received = conn.recv_into(memoryview(data)[got:])
        if received == 0:
            raise EOFError("got %d of %d bytes" % (got, n))
        got += received
    return data


def read_header(conn):
    size = struct.unpack("<i", read_exactly(conn, 4))[0]
    return json.loads(read_exactly(conn, size).decode("utf-8"))


def send_header(conn, **header):
    text = json.dumps(header).encode("utf-8")
    conn.sendall(struct.pack("<i", len(text)) + text)


host, port = sys.argv[1].split(":")
client = socket.create_connection((host, int(port)))
for line in sys.stdin:
    command, name, content = (line.rstrip("\n") + "  ").split(" ", 2)
    data = content.rstrip().encode("utf-8")
    send_header(client, command=command, file_name=name, total_size=len(data))
    answer = read_header(client)
    if "error" in answer:
        print(answer["error"])
    elif command == "put":  # the server says how much of it is there; we send all of it
        send_header(client, file_name=name, total_size=len(data), offset=0)
        client.sendall(data + hashlib.sha256(data).digest())
        stored = read_header(client)
        print(stored.get("error", "stored"))
    else:
        data = read_exactly(client, answer["total_size"] - answer["offset"])
        if command == "get":
            assert read_exactly(client, 32) == hashlib.sha256(data).digest(), answer
        print(data.decode("utf-8").rstrip("\n"))
client.close()
