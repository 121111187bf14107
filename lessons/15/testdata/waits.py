"""Python's calls that wait, each with a limit: what they return. python3 waits.py"""
import errno
import os
import signal
import socket
import struct
import subprocess


def outcome(call):
    try:
        result = call()
        return errno.errorcode.get(result, result) if isinstance(result, int) and result else result
    except TimeoutError:
        return "timeout"
    except OSError as e:
        return errno.errorcode[e.errno]


def pair():
    with socket.create_server(("127.0.0.1", 0)) as ln:
        a = socket.create_connection(ln.getsockname())
        b, _ = ln.accept()
    return a, b


LIMIT = 0.05

# accept, connect
ln = socket.create_server(("127.0.0.1", 0))
ln.settimeout(LIMIT)
print("accept:", outcome(ln.accept))
free = socket.socket()
free.bind(("127.0.0.1", 0))  # bound, and nobody listens
s = socket.socket()
print("connect_ex, nobody there:", outcome(lambda: s.connect_ex(free.getsockname())))
ln.listen(0)
held, result = [], None
while result is None:  # until the queue is full
    held.append(socket.socket())
    held[-1].settimeout(LIMIT)
    result = outcome(lambda: held[-1].connect(ln.getsockname()))
print("connect, queue full:", result)

# recv, send
a, b = pair()
a.settimeout(LIMIT)
print("recv:", outcome(lambda: a.recv(10)))
a.setblocking(False)
print("recv, not blocking:", outcome(lambda: a.recv(10)))
b.sendall(b"hello")
while outcome(lambda: a.recv(10, socket.MSG_PEEK)) != b"hello":
    pass
print("recv, not blocking, with bytes there:", outcome(lambda: a.recv(10)).decode())
n = a.send(bytes(64 << 20))
print("send, not blocking:", "a part" if 0 < n < 64 << 20 else n)
a.settimeout(LIMIT)
print("sendall:", outcome(lambda: a.sendall(bytes(64 << 20))))

# recvfrom, subprocess
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.bind(("127.0.0.1", 0))
u.settimeout(LIMIT)
print("recvfrom:", outcome(lambda: u.recvfrom(10)))
p = subprocess.Popen("sleep 60 & wait", shell=True, start_new_session=True)
try:
    p.communicate(timeout=LIMIT)
except subprocess.TimeoutExpired:
    os.killpg(p.pid, signal.SIGKILL)
print("a command:", "ended by signal %d" % -p.wait())

# a reset
a, b = pair()
b.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
b.close()
print("recv, after a reset:", outcome(lambda: a.recv(10)))
