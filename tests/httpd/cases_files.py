# SPDX-License-Identifier: BSD-2-Clause
"""cases_files.py - which file a path stands for, that no other one is ever shown, and that all of it arrives"""
import hashlib
import os
import shutil
import subprocess
import time

from server import Client, until


def sizes(t):
    """On both sides of each border: copied, sent from memory, sent from the file."""
    with t.server.connect() as c:
        for size in t.site.SIZES:
            r = c.get(f'/size/{size}')
            assert (r.status, r['content-length']) == (200, str(size))
            assert r.body == t.site.content(size), size


def index_of_a_directory(t):
    assert t.server.get('/').body == b'<p>index</p>\n'
    r = t.server.get('/dir/')
    assert (r.body, r['content-type']) == (b'<p>dir</p>\n', 'text/html; charset=utf-8')


def directory_without_slash(t):
    for target, location in [('/dir', './dir/'), ('/dir?q=1', './dir/'), ('/x/../dir', './dir/'),
                             ('/listing/sub%20dir%3f', './sub%20dir%3F/')]:
        with t.server.connect() as c:
            r = c.get(target)
            assert (r.status, r['location']) == (301, location), target
            assert c.open()


def listing(t):
    r = t.server.get('/listing/')
    text = r.body.decode()
    assert (r.status, r['content-type']) == (200, 'text/html; charset=utf-8')
    lines = [line for line in text.splitlines() if line.startswith('<li>')]
    assert lines == [
        '<li><a href="../">../</a></li>',
        '<li><a href="./a%26b%3Cc%3E.txt">a&amp;b&lt;c&gt;.txt</a></li>',
        '<li><a href="./plain">plain</a></li>',
        '<li><a href="./sub%20dir%3F/">sub dir?/</a></li>',
        '<li><a href="./x%3Ay">x:y</a></li>',
    ], lines
    assert t.server.get('/listing/a%26b%3Cc%3E.txt').body == b'escaped\n'
    assert t.server.get('/listing/x%3Ay').body == b'colon\n'
    assert t.server.get('/listing/sub%20dir%3F/').status == 200


def spellings_of_a_path(t):
    with t.server.connect() as c:
        for target in ('/hello.txt', '//hello.txt', '/./hello.txt', '/dir/../hello.txt', '/dir/./..//hello.txt',
                       '/%68ello%2Etxt', '/none/../hello.txt', '/hello.txt?a=b', '/hello.txt?/../../x', '/dir/%2e%2e/hello.txt',
                       '/a/b/c/../../../hello.txt'):
            assert c.get(target).body == b'Hello, World!\n', target
        for target in ('/hello.txt/', '/hello.txt/x', '/HELLO.TXT', '/none', '/dir/none/', '/hello.txt%20'):
            assert c.get(target).status == 404, target
        assert c.get('/dir/.').body == c.get('/dir/x/..').body == b'<p>dir</p>\n'


def traversal(t):
    """The site lies in a directory that has a secret beside it."""
    targets = ['/../secret', '/../../secret', '/dir/../../secret', '/..', '/../', '/%2e%2e/secret', '/%2E%2E/secret',
               '/.%2e/secret', '/%2e./secret', '/dir/%2e%2e/%2e%2e/secret', '/..%2fsecret', '/%2e%2e%2fsecret',
               '/..%5csecret', '/..\\secret', '/%252e%252e/secret', '/%c0%ae%c0%ae/secret', '/....//secret',
               '/..;/secret', '/../../../../../../../../etc/passwd', '//../secret', '/./../secret', '//etc/passwd',
               '/%2fetc/passwd', 'http://here/../secret', '/dir/..%00/secret', '/etc/passwd', '/..?/secret',
               f'/{t.site.top}/secret', f'//{t.site.top}/secret']
    for target in targets:
        r = t.server.get(target)
        assert r.status in (400, 404), (target, r.status)
        assert b'secret' not in r.body and b'root:' not in r.body, target


def symbolic_links(t):
    """Followed within the site, never out of it."""
    assert t.server.get('/link-inside').body == b'Hello, World!\n'
    assert t.server.get('/link-dir/').body == b'<p>dir</p>\n'
    for target in ('/link-secret', '/link-absolute', '/link-up/secret', '/link-up/', '/link-up', '/link-loop',
                   '/link-nowhere'):
        r = t.server.get(target)
        assert r.status == 404 and b'secret' not in r.body, (target, r.status)


def special_files(t):
    """A FIFO must not stop the server."""
    assert t.server.get('/fifo').status == 403
    assert t.server.get('/hello.txt').status == 200


def content_types(t):
    for name, kind in [('a.css', 'text/css; charset=utf-8'), ('a.js', 'text/javascript; charset=utf-8'),
                       ('a.PNG', 'image/png'), ('a.tar.gz', 'application/gzip'), ('noext', 'application/octet-stream'),
                       ('a.b/noext', 'application/octet-stream'), ('a.unknown', 'application/octet-stream')]:
        assert t.server.get('/types/' + name)['content-type'] == kind, name


def a_change_is_seen(t):
    """Within about a second, by a connection that stays, and never half of it."""
    path = os.path.join(t.site.root, 'change.txt')
    bodies = [b'first\n', b'second\n', b'x' * 30000, b'third\n']
    with t.server.connect() as c:
        etags = set()
        for body in bodies:
            with open(path + '.new', 'wb') as f:
                f.write(body)
            os.rename(path + '.new', path)

            def seen():
                r = c.get('/change.txt')
                assert r.status in (200, 404) and (r.status == 404 or r.body in bodies)
                return r if r.body == body else None
            etags.add(until(f'{body[:9]} to be seen', seen)['etag'])
        assert len(etags) == len(bodies)
        os.unlink(path)
        until('the file to be gone', lambda: c.get('/change.txt').status == 404)
        assert c.open()


def an_index_comes_and_goes(t):
    path = os.path.join(t.site.root, 'comes')
    os.makedirs(path, exist_ok=True)
    assert b'<ul>' in t.server.get('/comes/').body
    with open(path + '/index.html', 'wb') as f:
        f.write(b'here\n')
    until('the index', lambda: t.server.get('/comes/').body == b'here\n')
    os.unlink(path + '/index.html')
    until('the listing', lambda: b'<ul>' in t.server.get('/comes/').body)


def more_files_than_the_cache_holds(t):
    with t.server.connect() as c:
        for turn in range(2):
            for i in range(0, 6000, 100):
                c.send(''.join(c.request(f'/many/{n}') for n in range(i, i + 100)))
                for n in range(i, i + 100):
                    r = c.response()
                    assert (r.status, r.body) == (200, b'%d' % n), (turn, n, r.status)
        descriptors = len(os.listdir(f'/proc/{t.server.pid}/fd'))
        assert descriptors < 100, f'{descriptors} descriptors'


def receive_all(c, length, receive=None, slowly=None):
    """The digest of LENGTH bytes."""
    digest = hashlib.sha256()
    have = 0
    piece = c.buffer
    while True:
        have += len(piece)
        digest.update(piece)
        if have >= length:
            return digest.hexdigest()
        if slowly:
            time.sleep(slowly)
        piece = c.socket.recv(receive or 1 << 20)
        assert piece, f'the connection ended after {have} of {length} bytes'


def a_large_file_arrives_whole(t):
    with t.server.connect() as c:
        c.send(c.request('/large'))
        r = c.head()
        assert (r.status, r['content-length']) == (200, str(t.site.LARGE))
        assert receive_all(c, t.site.LARGE) == t.site.large_sha256
    with t.server.connect() as c:
        middle = t.site.LARGE // 2
        r = c.get('/large', f'Range: bytes={middle}-{middle + 9999}')
        with open(os.path.join(t.site.root, 'large'), 'rb') as f:
            f.seek(middle)
            assert r.body == f.read(10000)


def four_large_files_at_once(t):
    clients = [t.server.connect() for _ in range(4)]
    for c in clients:
        c.send(c.request('/size/3000000') * 5)
    for c in clients:
        with c:
            for _ in range(5):
                assert c.response().body == t.site.content(3000000)


def a_slow_reader_gets_all(t):
    """With a small window a send is taken in part only; memory and file alike."""
    wanted = ['/size/16384', '/size/300000', '/size/4096', '/hello.txt'] * 4 + ['/size/16384', '/size/16383'] * 200
    with t.server.connect(receive=4096) as c:
        c.send(''.join(c.request(target) for target in wanted))
        for target in wanted:
            r = c.head()
            length = int(r['content-length'])
            expected = b'Hello, World!\n' if target == '/hello.txt' else t.site.content(int(target[6:]))
            while len(c.buffer) < length:
                time.sleep(0.0005)
                piece = c.socket.recv(8000)
                assert piece
                c.buffer += piece
            assert c.buffer[:length] == expected, target
            c.buffer = c.buffer[length:]


def curl(t):
    if not shutil.which('curl'):
        t.skip('curl is not installed')
    out = os.path.join(t.site.top, 'curl-out')

    def run(*words):
        return subprocess.run(['curl', '-sS', '--noproxy', '*', '--max-time', '60', *words], capture_output=True,
                              check=True, timeout=90).stdout

    assert run(t.server.url + '/hello.txt') == b'Hello, World!\n'
    assert run('-0', t.server.url + '/hello.txt') == b'Hello, World!\n'
    assert run('-L', t.server.url + '/dir') == b'<p>dir</p>\n'
    assert run('-r', '7-11', t.server.url + '/hello.txt') == b'World'
    assert run('-L', t.server.url + '/listing/sub%20dir%3f').count(b'<li>') == 1
    assert run('-o', '/dev/null', '-w', '%{http_code}', '-d', 'x=y', t.server.url + '/hello.txt') == b'405'
    assert run('-o', '/dev/null', '-w', '%{http_code}', '--path-as-is', t.server.url + '/../secret') == b'400'
    run('-o', out, t.server.url + '/hello.txt')
    assert run('-o', '/dev/null', '-z', out, '-w', '%{http_code}', t.server.url + '/old.txt') == b'304'
    run('-Z', '--parallel-max', '50', '-o', out + '#1', t.server.url + '/small/[0-99].txt')
    for i in range(100):
        with open(f'{out}{i}', 'rb') as f:
            assert f.read() == b'%d\n' % i


def reset_within_a_transfer(t):
    """A client that goes away is nobody else's concern."""
    before = t.server.sockets()
    for _ in range(20):
        c = t.server.connect(receive=4096)
        c.send(c.request('/large'))
        c.head()
        c.socket.setsockopt(1, 13, b'\1\0\0\0\0\0\0\0')     # SO_LINGER with 0: close resets
        c.socket.close()
    for _ in range(20):
        c = t.server.connect()
        c.send(c.request('/hello.txt'))
        c.socket.setsockopt(1, 13, b'\1\0\0\0\0\0\0\0')
        c.socket.close()
    assert t.server.get('/hello.txt').status == 200
    until('the sockets to be closed', lambda: t.server.sockets() <= before)


ALL = [sizes, index_of_a_directory, directory_without_slash, listing, spellings_of_a_path, traversal, symbolic_links,
       special_files, content_types, a_change_is_seen, an_index_comes_and_goes, more_files_than_the_cache_holds,
       a_large_file_arrives_whole, four_large_files_at_once, a_slow_reader_gets_all, curl, reset_within_a_transfer]
WITH_TIMEOUTS = []
