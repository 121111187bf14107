"""Typed lines as datagrams, in GB2312: python3 client.py HOST:PORT, lines from standard input."""
import socket
import sys

host, port = sys.argv[1].split(":")
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for line in sys.stdin:
    try:
        message = line.rstrip("\n").encode("gb2312")
    except UnicodeEncodeError as e:
        print("not sent:", e.object[e.start:e.end])
        continue
    sender.sendto(message, (host, int(port)))
sender.close()
