# SPDX-License-Identifier: BSD-2-Clause
"""plan.py - what is measured, against whom, and what is to be reached"""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Subject:
    name: str
    program: str            # in BUILD/bench
    words: tuple = ()       # its options
    each: int = 0           # bytes of memory that each of `count` things takes, about; 0: no such bench
    optional: bool = False  # built only where somebody else's compiler or library is installed
    guest: bool = False     # an unmodified program on user threads: by `ellula run`


@dataclass(frozen=True)
class Bench:
    name: str
    subjects: tuple
    count: bool = False     # it measures very many of something: takes count=, not ms=
    vcpus: int = 1          # more: on all CPUs, else on one


def _ellula(program):
    """The library, with both kinds of thread-local storage."""
    return (Subject('ellula-shared', program + '-ellula', ('tls=shared',)),
            Subject('ellula-private', program + '-ellula', ('tls=private',)))


def _nptl(program):
    return (Subject('nptl', program + '-nptl'),)


def _run(program):
    """NPTL's program by `ellula run`."""
    return (Subject('ellula-run', program + '-nptl', guest=True),)


def _against(program):
    return _nptl(program) + _run(program)


def _go(name, each=0):
    return (Subject('go', 'peers-go', (name,), each, optional=True),)


def _others(name):
    return _go(name) + (Subject('boost-fiber', 'peers-fiber', (name,), optional=True),)


def _usual(name):
    return _ellula(name) + _nptl(name) + _others(name)


_PAGES = Subject('pages', 'pages', each=4300)

BENCHES = (
    Bench('yield', _usual('yield')),
    Bench('create', _usual('create') + _run('create')),
    Bench('handoff', _usual('handoff') + _run('handoff')),
    Bench('mutex', _usual('mutex') + (Subject('nptl-alone', 'mutex-nptl', ('alone',)),)),
    Bench('contended', _ellula('contended') + _against('contended')),
    Bench('contended-2', _ellula('contended') + _against('contended'), vcpus=2),
    Bench('nop', _ellula('nop') + (Subject('liburing', 'nop-liburing'),)),
    Bench('port', _ellula('port')),
    Bench('timer', _ellula('timer') + _go('timer')),
    Bench('chan', _usual('chan')),
    Bench('pipe', _ellula('pipe') + _nptl('pipe') + _go('pipe')),
    Bench('parked', (Subject('ellula-shared', 'parked-ellula', ('tls=shared',), each=5500),
                     Subject('ellula-private', 'parked-ellula', ('tls=private',), each=10000),
                     _PAGES) + _go('parked', each=4000), count=True),
    Bench('away', (Subject('ellula', 'away-ellula'),)),
    Bench('fair', (Subject('ellula', 'fair-ellula'),), vcpus=2),
    Bench('sleepers', (Subject('ellula-shared', 'sleepers-ellula', ('tls=shared',), each=5500),
                       _PAGES) + _go('sleepers', each=4000), count=True),
    Bench('pass', _against('pass')),
    Bench('start', (Subject('nptl', 'spawn', ('true',)), Subject('ellula-run', 'spawn', ('{ellula}', 'run', 'true')))),
    Bench('gzip', (Subject('nptl', 'spawn', ('gzip', '-c', '{data}')),
                   Subject('ellula-run', 'spawn', ('{ellula}', 'run', 'gzip', '-c', '{data}')))),
)


@dataclass(frozen=True)
class Target:
    """VALUE is to be at most FIXED + FACTOR x PEER; both are (bench, subject, metric)."""
    text: str
    value: tuple
    fixed: float = 0.0
    peer: tuple = None
    factor: float = 0.0
    of: tuple = field(default=None)     # how many of them there were


_NPTL_MUTEX = ('mutex', 'nptl', 'lock + unlock')
_OVER_YIELD = 'held over a yield'
_CPU = 'CPU per request'
_THREADS = ('parked', 'ellula-shared', 'threads')
_SLEEPERS = ('sleepers', 'ellula-shared', 'threads')

# What Linux lets a thread run for before another one of the same kind that waits, with two CPUs: base_slice_ns.
KERNEL_SLICE_MS = 3

TARGETS = (
    Target('yield, shared TLS: 10 ns', ('yield', 'ellula-shared', 'per switch'), 10),
    Target('yield, private TLS: 35 ns', ('yield', 'ellula-private', 'per switch'), 35),
    Target('create + join, shared TLS: 100 ns', ('create', 'ellula-shared', 'create + join'), 100),
    Target('create + join, private TLS: 400 ns', ('create', 'ellula-private', 'create + join'), 400),
    Target('hand-off, shared TLS: 60 ns', ('handoff', 'ellula-shared', 'per hand-off'), 60),
    Target('hand-off, private TLS: 60 ns', ('handoff', 'ellula-private', 'per hand-off'), 60),
    Target("mutex, shared TLS: NPTL's", ('mutex', 'ellula-shared', 'lock + unlock'), 0, _NPTL_MUTEX, 1.0),
    Target("mutex, private TLS: NPTL's", ('mutex', 'ellula-private', 'lock + unlock'), 0, _NPTL_MUTEX, 1.0),
    Target("no-op message: 1.2 x liburing's", ('nop', 'ellula-shared', 'per message'), 0,
           ('nop', 'liburing', 'per message'), 1.2),
    Target('parked thread: 4,700 B', ('parked', 'ellula-shared', 'RSS each'), 4700, of=_THREADS),
    Target('parked threads: 1.5 x touching as many pages', ('parked', 'ellula-shared', 'created and parked'), 0,
           ('parked', 'pages', 'touched'), 1.5, of=_THREADS),
    Target('sleepers of 1 s, warm: 2.0 s', ('sleepers', 'ellula-shared', 'last awake, warm'), 2.0, of=_SLEEPERS),
    Target('sleepers of 1 s, cold: 1.2 s + 1.5 x pages', ('sleepers', 'ellula-shared', 'last awake, cold'), 1.2,
           ('sleepers', 'pages', 'touched'), 1.5, of=_SLEEPERS),
    Target('hand-off of a vCPU, from its detection: 50 us', ('away', 'ellula', 'hand-off, median'), 50),
    Target('monitor of a busy process: 0.1 % of a CPU', ('away', 'ellula', 'monitor, busy'), 0.1),
    Target("ping-pong beside 4 that compute, p99: 3 x alone + a kernel's slice",
           ('fair', 'ellula', 'p99, beside 4 that compute'), KERNEL_SLICE_MS, ('fair', 'ellula', 'p99, alone'), 3.0),
    Target("hand-off, unmodified program: NPTL's / 12", ('handoff', 'ellula-run', 'per hand-off'), 0,
           ('handoff', 'nptl', 'per hand-off'), 1 / 12),
    Target("create + join, unmodified program: NPTL's / 4", ('create', 'ellula-run', 'create + join'), 0,
           ('create', 'nptl', 'create + join'), 1 / 4),
    Target("contended mutex, unmodified program, one CPU: NPTL's / 3", ('contended', 'ellula-run', _OVER_YIELD), 0,
           ('contended', 'nptl', _OVER_YIELD), 1 / 3),
    Target("contended mutex, unmodified program, two CPUs: NPTL's", ('contended-2', 'ellula-run', _OVER_YIELD), 0,
           ('contended-2', 'nptl', _OVER_YIELD), 1.0),
    Target("the same, held for work: NPTL's", ('contended-2', 'ellula-run', 'held for work'), 0,
           ('contended-2', 'nptl', 'held for work'), 1.0),
    Target("getppid, unmodified program: NPTL's + 50 ns", ('pass', 'ellula-run', 'getppid'), 50,
           ('pass', 'nptl', 'getppid'), 1.0),
    Target("start of `true`, unmodified: + 15 ms", ('start', 'ellula-run', 'start to end'), 15,
           ('start', 'nptl', 'start to end'), 1.0),
    Target("gzip of 100 MB, unmodified: + 2 %", ('gzip', 'ellula-run', 'CPU'), 0, ('gzip', 'nptl', 'CPU'), 1.02),
    Target("server, unmodified, 1,000 connections: 0.6 x NPTL's CPU", ('http-1000', 'ellula-run', _CPU), 0,
           ('http-1000', 'nptl', _CPU), 0.6),
    Target("server, unmodified, 8,000 connections: 0.55 x NPTL's CPU", ('http-8000', 'ellula-run', _CPU), 0,
           ('http-8000', 'nptl', _CPU), 0.55),
    Target("server, unmodified, 1,000 connections: 1.15 x epoll's CPU", ('http-1000', 'ellula-run', _CPU), 0,
           ('http-1000', 'epoll', _CPU), 1.15),
    Target('server beside 64 silent reads: requests, 0.9 x without', ('http-1000', 'ellula', 'requests'), 0,
           ('http-1000', 'ellula-blocked', 'requests'), 1 / 0.9),
)

# With whom a row is compared: the first of these that has the same metric in the same bench.
PEERS = ('epoll', 'nptl', 'liburing', 'pages')
