# SPDX-License-Identifier: BSD-2-Clause
"""databases.py - a thread per client, and many that nobody sees"""
import contextlib
import re
import signal

from trial import Broken, free_port, scenario

TABLES = ['--tables=4', '--table-size=5000']

# Clients, and transactions of all of them together.
LOADS = [(16, 4000), (64, 4000), (512, 4000), (2000, 4000)]


def all_done(told, events):
    done = re.search(r'total number of events:\s+(\d+)', told)
    if not done or int(done[1]) != events:
        raise Broken(told[-500:])


@contextlib.contextmanager
def mariadbd(t, port, *options):
    data, sock = t.dir / 'db', t.dir / 'sock'
    t.run(['mariadb-install-db', '--no-defaults', '--user=root', '--auth-root-authentication-method=normal',
           '--skip-test-db', f'--datadir={data}'])
    words = ['mariadbd', '--no-defaults', '--user=root', f'--datadir={data}', f'--socket={sock}', f'--port={port}',
             '--bind-address=127.0.0.1', f'--pid-file={t.dir}/pid', '--innodb-buffer-pool-size=64M', *options]
    with t.serve(words, sock, subject=True, end=signal.SIGTERM):
        t.run(['mariadb', '--no-defaults', f'--socket={sock}', '-u', 'root', '-e',
               "create database sbtest; create user s@127.0.0.1 identified by 's'; grant all on *.* to s@127.0.0.1"])
        yield sock


@scenario('mariadb-server-core', '`sysbench oltp_read_write`, 16, 64, 512 and 2,000 clients, 4,000 transactions each; '
          'then `mariadb-check`, and a clean end', limit=400)
def mariadb(t):
    port = free_port()
    with mariadbd(t, port, '--max-connections=2100', '--back-log=2100', '--max-prepared-stmt-count=1000000',
                  '--innodb-lock-wait-timeout=300') as sock:
        bench = ['sysbench', 'oltp_read_write', '--mysql-host=127.0.0.1', f'--mysql-port={port}', '--mysql-user=s',
                 '--mysql-password=s', *TABLES]
        t.run([*bench, '--threads=4', 'prepare'], timed=True)
        for clients, events in LOADS:
            told = t.run([*bench, f'--threads={clients}', f'--events={events}', '--time=0', '--rand-type=uniform',
                          '--mysql-ignore-errors=1213', '--thread-init-timeout=200', 'run'], timed=True)
            all_done(told.decode(), events)
        checked = t.run(['mariadb-check', '--no-defaults', f'--socket={sock}', '-u', 'root', 'sbtest']).decode()
        if checked.count('OK') != 4:
            raise Broken(checked)


@scenario('sysbench', 'its benchmarks of threads, mutexes and CPU, eight threads')
def sysbench(t):
    # How many events of the benchmark of mutexes are left for the last threads depends on who comes first.
    for test, events in (('threads', 2000), ('cpu', 10000), ('mutex', None)):
        told = t.run(['sysbench', test, '--threads=8', '--time=0', f'--events={events or 8}', 'run'], subject=True)
        if events:
            all_done(told.decode(), events)
