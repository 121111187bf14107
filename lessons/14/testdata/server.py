"""Keeps files in memory, one client after the other. The first line says where it listens."""
import hashlib
import json
import socket
import struct


def read_exactly(conn, n):
    data = bytearray(n)
    got = 0
    while got < n:
        received = conn.recv_into(memoryview(data)[got:])
        if received == 0:
            raise EOFError("got %d of %d bytes" % (got, n))
        got += received
    return bytes(data)


def read_header(conn):
    size = struct.unpack("<i", read_exactly(conn, 4))[0]
    return json.loads(read_exactly(conn, size).decode("utf-8"))


def send_header(conn, **header):
    text = json.dumps(header).encode("utf-8")
    conn.sendall(struct.pack("<i", len(text)) + text)


def answer(conn, request):
    name = request["file_name"]
    if request.get("command") == "put":
        send_header(conn, file_name=name, total_size=0)  # none of it is here
        h = read_header(conn)
        data = read_exactly(conn, h["total_size"])
        if read_exactly(conn, 32) != hashlib.sha256(data).digest():
            send_header(conn, total_size=0, error="it was changed on the way")
            return
        files[name] = data
        send_header(conn, file_name=name, total_size=len(data))
    elif request.get("command") == "get" and name in files:
        data, begin = files[name], request["offset"]
        if hashlib.sha256(data[:begin]).hexdigest() != request.get("sha256"):
            begin = 0
        send_header(conn, file_name=name, total_size=len(data), offset=begin)
        conn.sendall(data[begin:] + hashlib.sha256(data).digest())
    elif request.get("command") == "list":
        names = "".join(name + "\n" for name in sorted(files)).encode("utf-8")
        send_header(conn, total_size=len(names))
        conn.sendall(names)
    else:
        send_header(conn, total_size=0, error="no such file or command")


files = {"报告.txt": b"all is well"}
server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
server.bind(("127.0.0.1", 0))
server.listen(5)
print("listening on %s:%d" % server.getsockname(), flush=True)
while True:
    conn, address = server.accept()
    try:
        while True:
            answer(conn, read_header(conn))
    except EOFError:
        pass
    conn.close()
