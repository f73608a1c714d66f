# SPDX-License-Identifier: BSD-2-Clause
"""network.py - clients, proxies and servers that have a thread per connection, or a pool of threads"""
import contextlib
import http.server
import os
import pathlib
import socket
import socketserver
import threading

from trial import Broken, at_once, children, free_port, scenario

PAGES = 200
CLIENTS = 30
CONNECTIONS = 2000


class Pages(http.server.SimpleHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 200


@contextlib.contextmanager
def origin(t, pages=PAGES, size=100_000):
    """Serves the pages /0, /1, ... from this process: their directory and the port."""
    root = t.dir / 'pages'
    root.mkdir()
    for i in range(pages):
        (root / str(i)).write_bytes(b'%d ' % i * (size // len(b'%d ' % i)))
    with Server(('127.0.0.1', 0), lambda *args: Pages(*args, directory=str(root))) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield root, server.server_address[1]
        finally:
            server.shutdown()


def compare(t, root, got):
    for page in sorted(os.listdir(root), key=int):
        t.same(root / page, got / page)


@scenario('curl', f'`--parallel` fetches {PAGES} pages, with a thread for each name that is resolved')
def curl(t):
    got = t.dir / 'got'
    got.mkdir()
    with origin(t) as (root, port):
        t.run(['curl', '-sS', '--noproxy', '*', '--parallel', '--parallel-max', '50',
               f'http://localhost:{port}/[0-{PAGES - 1}]', '-o', got / '#1'], subject=True)
        compare(t, root, got)


def fetch(t, root, port, *options, scheme='http'):
    """CLIENTS of curl at once, each of which fetches a tenth of the pages."""
    def client(i):
        got = t.dir / f'got{i}'
        got.mkdir()
        first = i % 10 * PAGES // 10
        last = first + PAGES // 10 - 1
        t.run(['curl', '-sS', *options, f'{scheme}://localhost:{port}/[{first}-{last}]', '-o', got / '#1'])
        for page in range(first, last + 1):
            t.same(root / str(page), got / str(page))

    with t.timed():
        at_once(CLIENTS, client)


def by_proxy(t, words, port, option):
    with origin(t) as (root, source), t.serve(words, port, subject=True):
        fetch(t, root, source, '--noproxy', '', *option)


@scenario('tinyproxy-bin', f'{CLIENTS} clients at once fetch 20 pages each')
def tinyproxy(t):
    port = free_port()
    config = t.dir / 'tinyproxy.conf'
    config.write_text(f'Port {port}\nListen 127.0.0.1\nTimeout 60\nAllow 127.0.0.1\nMaxClients 100\n')
    by_proxy(t, ['tinyproxy', '-d', '-c', config], port, ['--proxy', f'http://127.0.0.1:{port}'])


@scenario('microsocks', f'{CLIENTS} clients at once fetch 20 pages each')
def microsocks(t):
    port = free_port()
    by_proxy(t, ['microsocks', '-i', '127.0.0.1', '-p', port], port, ['--socks5', f'127.0.0.1:{port}'])


def certificate(t):
    """Of localhost, and its key: their paths."""
    cert, key = t.dir / 'cert.pem', t.dir / 'key.pem'
    t.run(['openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', key, '-out', cert, '-days', '2',
           '-subj', '/CN=localhost'])
    return cert, key


def decrypts(t, name, port, source, cert, key):
    """The configuration of a stunnel that listens on PORT and hands on to SOURCE."""
    path = t.dir / name
    path.write_text(f'foreground = yes\npid =\n[it]\naccept = 127.0.0.1:{port}\nconnect = 127.0.0.1:{source}\n'
                    f'cert = {cert}\nkey = {key}\n')
    return path


@scenario('stunnel4', f'{CLIENTS} clients at once fetch 20 pages each by TLS')
def stunnel(t):
    port, (cert, key) = free_port(), certificate(t)
    with origin(t) as (root, source):
        config = decrypts(t, 'stunnel.conf', port, source, cert, key)
        with t.serve(['stunnel4', config], port, subject=True):
            fetch(t, root, port, '--noproxy', '*', '--ipv4', '--cacert', cert, scheme='https')


@scenario('stunnel4', '20,000 requests over 1,000 connections that stay open, from one that encrypts to one that decrypts',
          name='stunnel at both ends')
def stunnel_at_both_ends(t):
    inner, outer, source, (cert, key) = free_port(), free_port(), free_port(), certificate(t)
    server = decrypts(t, 'server.conf', inner, source, cert, key)
    (t.dir / 'client.conf').write_text(f'foreground = yes\npid =\n[it]\nclient = yes\naccept = 127.0.0.1:{outer}\n'
                                       f'connect = 127.0.0.1:{inner}\nCAfile = {cert}\nverifyChain = yes\n')
    origin_server = [t.build / 'examples/httpd-epoll', '--quiet', '--port', source, site(t)]
    # When it is told to end after so many it joins threads that are gone, and may die of that, on kernel threads, too.
    end = {'subject': True, 'status': (0, -15, -11)}
    with (t.serve(origin_server, source), t.serve(['stunnel4', server], inner, **end),
          t.serve(['stunnel4', 'client.conf'], outer, **end)):
        requests(t, f'http://127.0.0.1:{outer}/small', 20000, 1000)


GIT = {'GIT_CONFIG_NOSYSTEM': '1', 'GIT_AUTHOR_NAME': 'a', 'GIT_AUTHOR_EMAIL': 'a@b', 'GIT_COMMITTER_NAME': 'a',
       'GIT_COMMITTER_EMAIL': 'a@b', 'GIT_AUTHOR_DATE': '1000000000 +0000', 'GIT_COMMITTER_DATE': '1000000000 +0000'}


@scenario('git', 'fetches from `git daemon`, checks, repacks and searches a repository, each with four threads')
def git(t):
    env = {**GIT, 'HOME': str(t.dir)}
    source, copy, port = t.dir / 'all/source', t.dir / 'copy', free_port()
    t.run(['git', 'init', '-q', '-b', 'main', source], env=env)
    text = t.data(4 << 20).read_bytes()
    for turn in range(4):
        for i in range(300):
            (source / f'{i}').write_bytes(text[(turn * 300 + i) * 997:][:20000 + i])
        t.run(['git', '-C', source, 'add', '.'], env=env)
        t.run(['git', '-C', source, 'commit', '-q', '-m', f'{turn}'], env=env)
    threads = ['-c', 'pack.threads=4', '-c', 'index.threads=4', '-c', 'grep.threads=4']
    served = ['git', 'daemon', '--reuseaddr', '--export-all', f'--base-path={t.dir}/all', '--listen=127.0.0.1',
              f'--port={port}', t.dir / 'all']
    with t.serve(served, port, env=env, status=(0, -15, 143)):
        t.run(['git', *threads, 'clone', '-q', f'git://127.0.0.1:{port}/source', copy], subject=True, env=env)
    t.run(['git', *threads, '-C', copy, 'repack', '-q', '-a', '-d', '-f'], subject=True, env=env)
    t.run(['git', *threads, '-C', copy, 'fsck', '--full', '--strict'], subject=True, env=env)
    found = t.run(['git', *threads, '-C', copy, 'grep', '-c', 'eta'], subject=True, env=env)
    head = t.run(['git', '-C', copy, 'rev-parse', 'HEAD^{tree}'], env=env)
    if head != t.run(['git', '-C', source, 'rev-parse', 'HEAD^{tree}'], env=env):
        raise Broken('the copy is another tree')
    return found


@contextlib.contextmanager
def memcached_client(port):
    with socket.create_connection(('127.0.0.1', port), timeout=60) as s, s.makefile('rwb') as f:
        yield f


@scenario('memcached', '20 clients at once set, get, increment and delete 2,000 items each, over four threads')
def memcached(t):
    port = free_port()

    def ask(f, line, *answers):
        f.write(line)
        f.flush()
        for answer in answers:
            if (got := f.readline()) != answer:
                raise Broken(f'{line[:40]!r}: {got!r} instead of {answer!r}')

    def client(i):
        with memcached_client(port) as f:
            for n in range(0, 2000):
                value = b'%d' % (i * n) * (1 + n % 50)
                ask(f, b'set %d.%d 0 0 %d\r\n%s\r\n' % (i, n, len(value), value), b'STORED\r\n')
                ask(f, b'get %d.%d\r\n' % (i, n), b'VALUE %d.%d 0 %d\r\n' % (i, n, len(value)), value + b'\r\n',
                    b'END\r\n')
                if n % 3 == 0:
                    ask(f, b'delete %d.%d\r\n' % (i, n), b'DELETED\r\n')
                f.write(b'incr all 1\r\n')
                f.flush()
                f.readline()

    words = ['memcached', '-u', 'root', '-l', '127.0.0.1', '-p', port, '-U', '0', '-t', '4']
    with t.serve(words, port, subject=True):
        with memcached_client(port) as f:
            ask(f, b'set all 0 0 1\r\n0\r\n', b'STORED\r\n')
        with t.timed():
            at_once(20, client)
        with memcached_client(port) as f:
            ask(f, b'get all\r\n', b'VALUE all 0 5\r\n', b'40000\r\n', b'END\r\n')


def requests(t, url, count, connections):
    """COUNT requests over CONNECTIONS that stay open, by a client that counts them: none fails."""
    told = t.run(['ab', '-q', '-k', '-n', count, '-c', connections, url], timed=True).decode()
    for line in ('Failed requests:        0', f'Complete requests:      {count}'):
        if line not in told:
            raise Broken(told[-500:])
    if 'Non-2xx' in told:
        raise Broken(told[-500:])


def site(t):
    root = t.dir / 'site'
    root.mkdir()
    (root / 'small').write_bytes(b'A small page.\n' * 10)
    (root / 'large').write_bytes(os.urandom(300_000))
    os.chmod(t.dir, 0o755)
    return root


def load(t, root, port):
    url = f'http://127.0.0.1:{port}'
    t.run(['curl', '-sS', '--noproxy', '*', f'{url}/large', '-o', t.dir / 'large'])
    t.same(t.dir / 'large', root / 'large')
    requests(t, f'{url}/small', 60000, CONNECTIONS)
    requests(t, f'{url}/large', 3000, 100)
    told = t.run(['wrk', '-t2', '-c', CONNECTIONS, '-d5s', '--timeout', '30s', f'{url}/small']).decode()
    if 'Requests/sec' not in told or 'Socket errors' in told or 'Non-2xx' in told:
        raise Broken(told[-500:])


def has_user_threads(t, name):
    """Children on user threads have fewer kernel threads than the program has threads."""
    for pid in children():
        with contextlib.suppress(OSError):
            path = pathlib.Path(f'/proc/{pid}')
            if (path / 'comm').read_text().strip() == name and t.prefix and len(os.listdir(path / 'task')) > 100:
                raise Broken(f'{name}: {len(os.listdir(path / "task"))} kernel threads')


LOAD = (f'answers 60,000 requests over {CONNECTIONS:,} connections, 3,000 of large files over 100, and `wrk` with '
        f'{CONNECTIONS:,}')


@scenario('apache2-bin', f'the worker MPM, two children with 1,100 threads each, {LOAD}', limit=240)
def apache(t):
    root, port, modules = site(t), free_port(), '/usr/lib/apache2/modules'
    config = t.dir / 'httpd.conf'
    config.write_text(f'''ServerRoot {t.dir}
ServerName localhost
Listen 127.0.0.1:{port}
PidFile {t.dir}/pid
DefaultRuntimeDir {t.dir}
ErrorLog {t.dir}/error.log
LoadModule mpm_worker_module {modules}/mod_mpm_worker.so
LoadModule authz_core_module {modules}/mod_authz_core.so
<IfModule !unixd_module>
User www-data
Group www-data
</IfModule>
StartServers 2
ServerLimit 2
ThreadLimit 1100
ThreadsPerChild 1100
MaxRequestWorkers 2200
MinSpareThreads 10
MaxSpareThreads 2200
ListenBacklog 4096
MaxKeepAliveRequests 0
DocumentRoot {root}
<Directory />
Require all granted
</Directory>
''')
    t.logs.append(t.dir / 'error.log')
    with t.serve(['apache2', '-D', 'FOREGROUND', '-f', config], port, subject=True):
        load(t, root, port)
        has_user_threads(t, 'apache2')


@scenario('nginx', f'{LOAD}; files read by a pool of threads', limit=240)
def nginx(t):
    root, port = site(t), free_port()
    config = t.dir / 'nginx.conf'
    config.write_text(f'''daemon off;
worker_processes 2;
pid {t.dir}/pid;
error_log {t.dir}/error.log;
thread_pool default threads=16;
events {{ worker_connections 4096; }}
http {{
	access_log off;
	keepalive_requests 1000000;
	aio threads;
	client_body_temp_path {t.dir}/1; proxy_temp_path {t.dir}/2; fastcgi_temp_path {t.dir}/3;
	uwsgi_temp_path {t.dir}/4; scgi_temp_path {t.dir}/5;
	server {{ listen 127.0.0.1:{port} backlog=4096; root {root}; }}
}}
''')
    t.logs.append(t.dir / 'error.log')
    with t.serve(['nginx', '-p', t.dir, '-c', config, '-e', t.dir / 'error.log'], port, subject=True):
        load(t, root, port)
