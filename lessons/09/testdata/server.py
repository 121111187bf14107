"""socketserver in three forms: python3 server.py upper|loop|tutorial [plain]. The first line says where it listens.

plain: without threads, one client after the other.
"""
import socketserver
import sys


class Upper(socketserver.BaseRequestHandler):
    def handle(self):
        try:
            while data := self.request.recv(1024):
                self.request.sendall(data.upper())
        except ConnectionError:  # reset or broken pipe: the client has left
            pass


class Loop(socketserver.BaseRequestHandler):
    def handle(self):
        try:
            while True:
                self.request.sendall(b"abc")
                if not self.request.recv(1024):
                    return
        except ConnectionError:
            pass


class Tutorial(socketserver.BaseRequestHandler):
    """As it is often written: no look at b"", and no except."""

    def handle(self):
        while True:
            data = self.request.recv(1024)
            self.request.sendall(data.upper())


class Threading(socketserver.ThreadingTCPServer):
    request_queue_size = 128  # the backlog; 5 unless it is set
    daemon_threads = True  # otherwise server_close waits for them


HANDLERS = {"upper": Upper, "loop": Loop, "tutorial": Tutorial}

if __name__ == "__main__":
    kind = socketserver.TCPServer if "plain" in sys.argv else Threading
    server = kind(("127.0.0.1", 0), HANDLERS[sys.argv[1]])
    print("listening on %s:%d" % server.server_address, flush=True)
    server.serve_forever()
