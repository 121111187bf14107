"""Messages as datagrams: python3 client.py HOST:PORT, lines from standard input."""
import socket
import sys

host, port = sys.argv[1].split(":")
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
client.connect((host, int(port)))  # sends nothing; from now on only that address is heard
client.settimeout(5)  # seconds; an answer may be lost
for line in sys.stdin:
    message = line.rstrip("\n")
    if message == "quit":
        break
    client.send(message.encode("utf-8"))  # an empty message is sent too
    print(client.recv(65507).decode("utf-8"))
client.close()
