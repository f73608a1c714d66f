# SPDX-License-Identifier: BSD-2-Clause
"""server.py - a server under test, and a client that can be as rude as it likes"""
import os
import re
import select
import signal
import socket
import subprocess
import threading
import time

SUBJECTS = {    # the program's place in the build directory, and whether it has time-outs
    'ellula': ('examples/httpd-ellula', True),
    'nptl': ('examples/httpd-nptl', True),
    'epoll': ('examples/httpd-epoll', False),
    'uring': ('examples/httpd-uring', False),
}
PATIENCE = 20       # seconds; on a busy machine everything takes longer


def until(what, condition, patience=PATIENCE):
    """Waits for CONDITION to become true; what it gave."""
    end = time.monotonic() + patience
    while True:
        got = condition()
        if got:
            return got
        assert time.monotonic() < end, f'waited {patience} s in vain: {what}'
        time.sleep(0.01)


class Server:
    """A server process on a port of its own."""

    def __init__(self, build, subject, root, *options, limit=None):
        program = os.path.join(build, SUBJECTS[subject][0])
        with open(program, 'rb') as file:
            self.sanitized = b'__tsan_init' in file.read()
        command = [program, '--port', '0', *options, root]
        if limit:
            command = ['prlimit', f'--nofile={limit}', *command]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        found = re.search(r' on http://127\.0\.0\.1:(\d+)/$', line)
        assert found, f'{subject} did not start: {line!r} {self.process.stderr.read() if not line else ""}'
        self.port = int(found[1])
        self.url = f'http://127.0.0.1:{self.port}'
        self.pid = self.process.pid

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def signal(self, number):
        """A thread sanitizer keeps a signal for later that comes right before a system call: it gets another one."""
        self.process.send_signal(number)
        if self.sanitized:
            threading.Timer(1, lambda: self.process.poll() is None and self.process.send_signal(number)).start()

    def stop(self, patience=PATIENCE):
        """SIGTERM; it must end well. What it printed last, and how long it took."""
        start = time.monotonic()
        self.signal(signal.SIGTERM)
        out, err = self.process.communicate(timeout=patience)
        assert self.process.returncode == 0, f'exit status {self.process.returncode}: {err[-2000:]}'
        assert not err, f'said: {err[-2000:]}'
        return out, time.monotonic() - start

    def sockets(self):
        """How many descriptors of sockets the process has."""
        count = 0
        for name in os.listdir(f'/proc/{self.pid}/fd'):
            try:
                count += os.readlink(f'/proc/{self.pid}/fd/{name}').startswith('socket:')
            except FileNotFoundError:
                pass
        return count

    def cpu(self):
        """Seconds of CPU time so far."""
        return time.clock_gettime(~self.pid << 3 | 2)

    def connect(self, receive=None):
        return Client(self.port, receive)

    def get(self, target, *headers, **kw):
        with self.connect() as client:
            return client.get(target, *headers, **kw)


class Response:
    def __init__(self, head, body):
        lines = head.decode('latin-1').split('\r\n')
        found = re.fullmatch(r'HTTP/1\.1 (\d{3}) ([ -~]+)', lines[0])
        assert found, f'not a status line: {lines[0]!r}'
        self.status, self.reason = int(found[1]), found[2]
        self.headers = {}
        for line in lines[1:]:
            name, colon, value = line.partition(': ')
            assert colon and name.lower() not in self.headers, f'bad or double header: {line!r}'
            self.headers[name.lower()] = value
        self.body = body

    def __getitem__(self, name):
        return self.headers.get(name)


class Client:
    """A connection."""

    def __init__(self, port, receive=None):
        self.socket = socket.socket()
        if receive:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(('127.0.0.1', port))
        self.buffer = b''

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode('latin-1'))

    def request(self, target, *headers, method='GET', version='1.1'):
        lines = [f'{method} {target} HTTP/{version}', 'Host: here', *headers]
        return '\r\n'.join(lines) + '\r\n\r\n'

    def more(self):
        """What comes next; b'' at the end."""
        data = self.socket.recv(1 << 16)
        self.buffer += data
        return data

    def head(self):
        while b'\r\n\r\n' not in self.buffer:
            assert self.more(), f'the connection ended in a header: {self.buffer!r}'
        head, self.buffer = self.buffer.split(b'\r\n\r\n', 1)
        return Response(head, b'')

    def response(self, body=True):
        response = self.head()
        length = int(response['content-length']) if body and response.status != 304 else 0
        pieces, have = [self.buffer], len(self.buffer)
        while have < length:
            piece = self.socket.recv(1 << 20)
            assert piece, f'the connection ended after {have} of {length} bytes'
            pieces.append(piece)
            have += len(piece)
        data = b''.join(pieces)
        response.body, self.buffer = data[:length], data[length:]
        return response

    def get(self, target, *headers, method='GET', version='1.1'):
        self.send(self.request(target, *headers, method=method, version=version))
        return self.response(body=method != 'HEAD')

    def ended(self):
        """The server has closed, and nothing came before that."""
        assert self.buffer == b'', f'unread: {self.buffer!r}'
        data = self.socket.recv(1 << 16)
        return data == b''

    def open(self):
        """Nothing came, no end either."""
        return not self.buffer and not select.select([self.socket], [], [], 0)[0]
