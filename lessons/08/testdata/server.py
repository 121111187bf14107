"""A thread for each client: python3 server.py [WORD]. The first line says where it listens.

With a word it greets: it sends the word when a client comes and after each message, until it is sent 886.
"""
import socketserver
import sys

try:
    import resource
except ImportError:  # Windows has no such limit
    resource = None

FAREWELL = b"886"


class Upper(socketserver.BaseRequestHandler):
    def handle(self):
        try:
            while data := self.request.recv(1024):
                self.request.sendall(data.upper())
        except ConnectionError:  # reset or broken pipe: the client has left
            pass


class Greeter(socketserver.BaseRequestHandler):
    def handle(self):
        try:
            while True:
                self.request.sendall(sys.argv[1].encode())
                data = self.request.recv(1024)
                if not data or data == FAREWELL:
                    return
        except ConnectionError:
            pass


class Server(socketserver.ThreadingTCPServer):
    request_queue_size = 128  # the backlog; 5 unless it is set
    daemon_threads = True


if __name__ == "__main__":
    if resource:  # as many descriptors as this user may have
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    server = Server(("127.0.0.1", 0), Greeter if len(sys.argv) > 1 else Upper)
    print("listening on %s:%d" % server.server_address, flush=True)
    server.serve_forever()
