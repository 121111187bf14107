"""One message, one answer: python3 client.py HOST:PORT MESSAGE"""
import socket
import sys

host, port = sys.argv[1].split(":")
client = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
client.connect((host, int(port)))
client.send(sys.argv[2].encode("utf-8"))
answer = client.recv(1024)
print(answer.decode("utf-8"))
client.close()
