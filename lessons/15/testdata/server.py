"""The server of lesson 15 in Python: python3 server.py [LIMIT]"""
import json
import os
import signal
import socketserver
import struct
import subprocess
import sys

LIMIT = 10.0  # seconds


def receive(conn):
    """Reads one message; None if the peer has left. A timeout of Python's counts for each recv anew."""
    first = conn.recv(1)
    if not first:
        return None
    head = first + exactly(conn, 3)
    header = json.loads(exactly(conn, struct.unpack("<i", head)[0]))
    return header["status"], exactly(conn, header["total_size"])


def exactly(conn, size):
    parts = []
    while size > 0:
        part = conn.recv(min(size, 65536))
        if not part:
            raise EOFError("the message was cut short")
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def send(conn, status, payload):
    header = json.dumps({"status": status, "total_size": len(payload)}).encode()
    conn.sendall(struct.pack("<i", len(header)) + header + payload)


def run(command):
    """Runs a command in a process group of its own, and ends the group in every case."""
    p = subprocess.Popen(command, shell=True, start_new_session=True, stdin=subprocess.DEVNULL,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        output, _ = p.communicate(timeout=LIMIT)
        status = p.returncode
    except subprocess.TimeoutExpired:
        os.killpg(p.pid, signal.SIGKILL)
        output, _ = p.communicate()
        output += f"[ended: its limit of {LIMIT}s has passed]\n".encode()
        status = -1
    try:
        os.killpg(p.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass  # nobody is left
    return status, output


class Handler(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.settimeout(30)
        while request := receive(self.request):
            command = request[1].decode()
            send(self.request, *(run(command) if command else (0, b"")))  # empty: a heartbeat


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


if __name__ == "__main__":
    if len(sys.argv) > 1:
        LIMIT = float(sys.argv[1])
    with Server(("127.0.0.1", 0), Handler) as server:
        print("listening on %s:%d" % server.server_address, flush=True)
        server.serve_forever()
