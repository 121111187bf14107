"""Hears and answers, in GB2312, from one socket. The first line says where it listens."""
import socket

both = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
both.bind(("127.0.0.1", 0))
print("listening on %s:%d" % both.getsockname(), flush=True)
while True:
    data, address = both.recvfrom(65507)
    try:
        text = data.decode("gb2312")
    except UnicodeDecodeError:
        text = "读不懂"
    both.sendto(("收到：" + text).encode("gb2312"), address)
