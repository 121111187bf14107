"""A talk loop: python3 client.py HOST:PORT, lines from standard input."""
import socket
import sys

host, port = sys.argv[1].split(":")
client = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
client.connect((host, int(port)))
for line in sys.stdin:
    message = line.rstrip("\n")
    if not message:
        continue
    if message == "quit":
        break
    client.send(message.encode("utf-8"))
    print(client.recv(1024).decode("utf-8"))
client.close()
