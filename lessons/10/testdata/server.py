"""Client after client: python3 server.py [PORT [reuse]]. The first line says where it listens."""
import socket
import sys

server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
if sys.argv[2:] == ["reuse"]:
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 0))
server.listen(5)
print("listening on %s:%d" % server.getsockname(), flush=True)
while True:
    conn, address = server.accept()
    while True:
        try:
            data = conn.recv(1024)
            if not data:
                break
            conn.send(data.upper())
        except ConnectionError:  # reset or broken pipe
            break
    conn.close()
