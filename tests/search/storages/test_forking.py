import subprocess
import sys
from pathlib import Path

PROGRAM = """
import os, subprocess, threading
from concurrent.futures import ThreadPoolExecutor
import search.storages.storage
import grpc

server = grpc.server(ThreadPoolExecutor(4))
port = server.add_insecure_port("127.0.0.1:0")
server.start()
channel = grpc.insecure_channel(f"127.0.0.1:{port}")
has_called = threading.Semaphore(0)

def call():
    while True:
        try:
            channel.unary_unary("/no/method")(b"")
        except grpc.RpcError:
            has_called.release()

for _ in range(4):
    threading.Thread(target=call, daemon=True).start()
for _ in range(40):
    has_called.acquire()
    subprocess.run(["true"], check=True, user=os.getuid())  # with `user`, Python forks
os._exit(0)
"""


def test_programs_are_started_while_threads_call_a_proxy() -> None:
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=root, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert "fork" not in done.stderr
