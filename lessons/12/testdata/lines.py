"""A guest of a chat room: python3 lines.py HOST:PORT, lines from standard input, until the room closes."""
import socket
import sys

host, port = sys.argv[1].split(":")
with socket.create_connection((host, int(port))) as room:
    with room.makefile("rw", encoding="utf-8", newline="\n") as lines:
        for line in sys.stdin:
            lines.write(line)
            lines.flush()
        for line in lines:
            print(line, end="")
