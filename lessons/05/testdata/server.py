"""Runs commands, sends framed answers, client after client. The first line says where it listens."""
import socket
import struct
import subprocess

server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
server.bind(("127.0.0.1", 0))
server.listen(5)
print("listening on %s:%d" % server.getsockname(), flush=True)
while True:
    conn, address = server.accept()
    while True:
        command = conn.recv(1024)
        if not command:
            break
        done = subprocess.run(command.decode("utf-8"), shell=True, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        answer = done.stdout + done.stderr
        conn.sendall(struct.pack("<i", len(answer)))
        conn.sendall(answer)
    conn.close()
