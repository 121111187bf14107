"""A chat in turn, unframed. The first line says where it listens; the others are its user's."""
import socket

said = iter(["hello yourself", "fine, 谢谢"])
server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
server.bind(("127.0.0.1", 0))
server.listen(5)
print("listening on %s:%d" % server.getsockname(), flush=True)
conn, address = server.accept()
while True:
    message = conn.recv(1024).decode("utf-8")
    if not message or message == "exit":
        break
    conn.send(next(said).encode("utf-8"))
conn.close()
server.close()
