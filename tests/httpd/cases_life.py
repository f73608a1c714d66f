# SPDX-License-Identifier: BSD-2-Clause
"""cases_life.py - time-outs, many clients, few descriptors, and the end"""
import re
import shutil
import socket
import subprocess
import time

from cases_files import receive_all
from server import until

SHORT = ('--header-timeout', '0.6', '--idle-timeout', '0.6', '--write-timeout', '0.6')


def slowloris(t):
    """A header that never ends gets 408 after the time-out, however often a byte of it comes."""
    with t.start(*SHORT) as server, server.connect() as c:
        start = time.monotonic()
        c.send('GET /hello.txt HTTP/1.1\r\nHost: here\r\n')
        while c.open():
            c.send('X')
            time.sleep(0.05)
            assert time.monotonic() - start < 15, 'still waiting'
        took = time.monotonic() - start
        assert took >= 0.55, f'after {took:.2f} s already'
        r = c.response()
        assert (r.status, r['connection']) == (408, 'close')
        assert c.ended()
        server.stop()


def slowloris_behind_a_request(t):
    """The clock of the second request starts with its own first byte, which came along with the first request."""
    with t.start(*SHORT) as server, server.connect() as c:
        c.send(c.request('/hello.txt') + 'GET /hel')
        assert c.response().status == 200
        assert c.response().status == 408
        assert c.ended()


def slow_but_in_time(t):
    with t.start('--header-timeout', '15') as server, server.connect() as c:
        for char in c.request('/hello.txt'):
            c.send(char)
            time.sleep(0.01)
        assert c.response().status == 200


def silent_client(t):
    with t.start(*SHORT) as server, server.connect() as c:
        start = time.monotonic()
        assert c.ended()
        assert 0.55 <= time.monotonic() - start < 15


def idle_after_a_request(t):
    with t.start(*SHORT) as server, server.connect() as c:
        assert c.get('/hello.txt').status == 200
        start = time.monotonic()
        assert c.ended()
        assert 0.55 <= time.monotonic() - start < 15


def idle_longer_than_header(t):
    """The two time-outs are not mixed up."""
    with t.start('--header-timeout', '0.3', '--idle-timeout', '30') as server, server.connect() as c:
        assert c.get('/hello.txt').status == 200
        time.sleep(0.8)
        assert c.get('/hello.txt').status == 200


def client_that_stops_reading(t):
    """It is cut off; who reads slowly is not."""
    with t.start(*SHORT) as server:
        before = server.sockets()
        stuck = [server.connect(receive=4096) for _ in range(3)]
        for c, target in zip(stuck, ('/large', '/size/16384', '/size/3000000')):
            c.send(c.request(target) * (400 if target == '/size/16384' else 1))
        with server.connect() as c:
            assert c.get('/size/20000').body == t.site.content(20000), 'the others go on'
        slow = server.connect(receive=65536)
        slow.send(slow.request('/size/3000000'))
        length = int(slow.head()['content-length'])
        receive_all(slow, length, 65536, 0.04)
        slow.socket.close()
        until('the stuck ones to be cut off', lambda: server.sockets() == before)
        for c in stuck:
            c.socket.close()
        server.stop()


def five_hundred_connections(t):
    with t.start() as server:
        before = server.sockets()
        clients = [server.connect() for _ in range(500)]
        for turn in range(3):
            for c in clients:
                c.send(c.request('/hello.txt'))
            for c in clients:
                assert c.response().body == b'Hello, World!\n', turn
        assert server.sockets() == before + 500
        for c in clients:
            c.socket.close()
        until('the sockets to be closed', lambda: server.sockets() == before)
        out, _ = server.stop()
        assert '1500 requests on 500 connections, at most 500 at once, 0 cut off' in out, out


def wrk(t):
    if not shutil.which('wrk'):
        t.skip('wrk is not installed')
    with t.start() as server:
        for target in ('/hello.txt', '/size/16384', '/size/100000'):
            out = subprocess.run(['wrk', '-t1', '-c500', '-d1s', '--timeout', '20s', server.url + target],
                                 capture_output=True, text=True, check=True, timeout=120).stdout
            assert 'Socket errors' not in out and 'Non-2xx' not in out, out
            assert int(re.search(r'(\d+) requests in', out)[1]) > 0, out
        out, _ = server.stop()
        assert ', 0 cut off' in out, out


def few_descriptors(t):
    """Clients for whom there is no descriptor wait, are served when there is one, and cost no CPU time until then."""
    with t.start(limit=40) as server:
        clients = [server.connect() for _ in range(60)]
        for c in clients:
            c.send(c.request('/small/1.txt'))
        served = until('those who are in to be served', lambda: [c for c in clients if not c.open()])
        assert len(served) < 60
        cpu, start = server.cpu(), time.monotonic()
        time.sleep(0.5)
        spent = (server.cpu() - cpu) / (time.monotonic() - start)
        assert spent < 0.3, f'{spent:.0%} of a CPU while it waits'
        waiting = clients
        while waiting:
            now = until('the next ones', lambda: [c for c in waiting if not c.open()])
            for c in now:
                assert c.response().status in (200, 503)
                c.socket.close()
            waiting = [c for c in waiting if c not in now]
        assert server.get('/hello.txt').status == 200
        server.stop()


def refused(port):
    with socket.socket() as s:
        return s.connect_ex(('127.0.0.1', port)) != 0


def stop_with_nothing_to_do(t):
    with t.start() as server:
        out, took = server.stop()
        assert took < 3 and '0 requests on 0 connections' in out, (took, out)


def stop_by_interrupt(t):
    with t.start() as server:
        server.signal(2)
        assert server.process.wait(10) == 0


def stop_with_idle_connections(t):
    """They end at once, and as if the server had closed them in the ordinary way."""
    with t.start() as server:
        clients = [server.connect() for _ in range(50)]
        for c in clients[:25]:
            assert c.get('/hello.txt').status == 200
        until('all to be accepted', lambda: server.sockets() == 51)
        _, took = server.stop()
        assert took < 3, f'{took:.1f} s'
        for c in clients:
            with c:
                assert c.ended()


def stop_within_a_transfer(t):
    """The transfer is finished, new clients are not let in."""
    with t.start('--grace', '60') as server:
        c = server.connect(receive=65536)
        c.send(c.request('/large'))
        length = int(c.head()['content-length'])
        server.signal(15)
        until('the listener to be closed', lambda: refused(server.port))
        assert server.process.poll() is None
        assert receive_all(c, length) == t.site.large_sha256
        assert c.more() == b''
        out, err = server.process.communicate(timeout=20)
        assert server.process.returncode == 0, err
        assert ': 1 requests on ' in out and ', 0 cut off' in out, out


def stop_with_a_stuck_client(t):
    with t.start('--grace', '0.5') as server, server.connect(receive=4096) as c:
        c.send(c.request('/large'))
        c.head()
        out, took = server.stop()
        assert 0.4 <= took < 10, f'{took:.1f} s'
        assert '1 cut off' in out, out


def stop_again_and_again(t):
    """Whatever it is doing when the signal comes."""
    for i in range(12):
        with t.start() as server:
            clients = [server.connect() for _ in range(i)]
            for c in clients:
                c.send(c.request('/size/20000') * i)
            server.stop()
            for c in clients:
                c.socket.close()


def port_in_use(t):
    process = subprocess.run([t.program, '--port', str(t.server.port), t.site.root], capture_output=True, text=True,
                             timeout=20, check=False)
    assert process.returncode == 1 and 'in use' in process.stderr, process


def bad_options(t):
    for words in (['--port', '70000'], ['--port', 'x'], ['--nonsense'], ['--grace', '-1'], ['a', 'b']):
        process = subprocess.run([t.program, *words], capture_output=True, text=True, timeout=20, check=False)
        assert process.returncode == 2 and 'usage:' in process.stderr, words
    process = subprocess.run([t.program, '--port', '0', '/nowhere'], capture_output=True, text=True, timeout=20,
                             check=False)
    assert process.returncode == 1 and 'No such file' in process.stderr


def nothing_is_left_open(t):
    """After all that was done to the one server that served most of the tests."""
    until('the sockets to be closed', lambda: t.server.sockets() == 1)
    out, took = t.server.stop()
    assert took < 3 and ', 0 cut off' in out, (took, out)


ALL = [five_hundred_connections, wrk, few_descriptors, stop_with_nothing_to_do, stop_by_interrupt,
       stop_with_idle_connections, stop_within_a_transfer, stop_with_a_stuck_client, stop_again_and_again, port_in_use,
       bad_options]
WITH_TIMEOUTS = [slowloris, slowloris_behind_a_request, slow_but_in_time, silent_client, idle_after_a_request,
                 idle_longer_than_header, client_that_stops_reading]
LAST = [nothing_is_left_open]
