"""The client of lesson 15 in Python: python3 client.py HOST:PORT, with commands on standard input"""
import socket
import sys

from server import receive, send

host, port = sys.argv[1].rsplit(":", 1)
with socket.create_connection((host, int(port)), timeout=15) as conn:
    for line in sys.stdin:
        line = line.rstrip("\n")
        if line == "quit":
            break
        send(conn, 0, line.encode())
        status, output = receive(conn)
        print("%d %r" % (status, output.decode()))
