"""python3 client.py HOST:PORT [WORD], lines from standard input.

With a word the server greets: the client reads that first, and after each line, and says 886 at the end.
"""
import socket
import sys

host, port = sys.argv[1].split(":")
greeted = len(sys.argv) > 2
client = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
client.connect((host, int(port)))
if greeted:
    print(client.recv(1024).decode("utf-8"))
for line in sys.stdin:
    message = line.rstrip("\n")
    if not message:
        continue
    if message == "quit":
        break
    client.sendall(message.encode("utf-8"))
    print(client.recv(1024).decode("utf-8"))
if greeted:
    client.sendall(b"886")
    print("end" if client.recv(1024) == b"" else "no end")
client.close()
