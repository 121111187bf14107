"""Answers each datagram. The first line says where it listens."""
import socket

server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", 0))
print("listening on %s:%d" % server.getsockname(), flush=True)
while True:
    data, address = server.recvfrom(65507)
    server.sendto(data.upper(), address)  # bytes, never decoded: any datagram can be answered
