"""python3 client.py HOST:PORT [greeted], lines from standard input.

greeted: the server speaks first; the client reads that, and again after each line.
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
client.close()
