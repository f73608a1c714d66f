# SPDX-License-Identifier: BSD-2-Clause
"""measure.py - one server, one load, one run: what it cost"""
import os
import re
import resource
import signal
import subprocess
import sys
import time
from dataclasses import dataclass

# Each is built from the same parser, file cache and responses (examples/httpd); they differ in how they wait.
SUBJECTS = {
    'ellula': 'examples/httpd-ellula',
    'ellula-poll': 'examples/httpd-ellula',
    'ellula-unwatched': 'examples/httpd-ellula',    # without monitor
    'ellula-blocked': 'examples/httpd-blocked',     # beside 64 threads that block their LWPs
    'nptl': 'examples/httpd-nptl',
    'ellula-run': 'examples/httpd-nptl',            # the same, by `ellula run`
    'epoll': 'examples/httpd-epoll',
    'uring': 'examples/httpd-uring',
}
THREADED = ('ellula', 'ellula-poll', 'ellula-unwatched', 'ellula-blocked', 'nptl', 'ellula-run')
ENVIRONMENT = {'ellula-poll': {'ELLULA_KPORT': 'poll'}, 'ellula-unwatched': {'ELLULA_MONITOR': 'off'}}
ONLY_AT = {'ellula-unwatched': (1000,), 'ellula-blocked': (1000,)}  # connections; others: at any number


class Broken(Exception):
    """A server or a client did not do what it has to."""


class Starved(Broken):
    """Not one request in all that time: others have the machine."""


@dataclass(frozen=True)
class Sample:
    cpu: float          # microseconds per request, user and system, of the server
    rate: float         # requests per second
    p50: float          # milliseconds
    p99: float
    threads: int        # of the server, at most
    lwps: int           # kernel threads of the server, under load
    memory: float       # bytes of resident memory per connection that was accepted


def cpus():
    """The CPU for the server and the one for the client: two, if there are two."""
    allowed = sorted(os.sched_getaffinity(0))
    return allowed[0], allowed[1 % len(allowed)]


def raise_limits():
    """As many descriptors as the system allows, for us and those that we start."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Server:
    """A server process, on a free port and one CPU."""

    def __init__(self, build, subject, root, cpu):
        program = os.path.join(build, SUBJECTS[subject])
        if not os.path.exists(program):
            raise Broken(f'{program} is not built')
        self.subject = subject
        guest = [os.path.join(build, 'ellula'), 'run'] if subject == 'ellula-run' else []
        self.process = subprocess.Popen([*guest, program, '--port', '0', root], stdout=subprocess.PIPE, text=True,
                                        env={**os.environ, 'ELLULA_VCPUS': '1', **ENVIRONMENT.get(subject, {})},
                                        preexec_fn=lambda: os.sched_setaffinity(0, {cpu}))
        found = re.search(r'(http://\S+)$', self.process.stdout.readline())
        if not found:
            self.process.kill()
            raise Broken(f'{subject} did not start')
        self.url = found[1]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def cpu(self):
        """Seconds of CPU time so far, of all its kernel threads, living and dead."""
        return time.clock_gettime(~self.process.pid << 3 | 2)

    def status(self, file, field):
        with open(f'/proc/{self.process.pid}/{file}', encoding='ascii') as f:
            return int(re.search(rf'^{field}:\s+(\d+)', f.read(), re.MULTILINE)[1])

    def memory(self):
        """Bytes that are resident: counted, not estimated."""
        return self.status('smaps_rollup', 'Rss') * 1024

    def descriptors(self):
        return len(os.listdir(f'/proc/{self.process.pid}/fd'))

    def lwps(self):
        return self.status('status', 'Threads')

    def stop(self):
        """How many requests it has answered, and how many connections it had at once."""
        self.process.send_signal(signal.SIGTERM)
        out, _ = self.process.communicate(timeout=30)
        found = re.search(r': (\d+) requests on \d+ connections, at most (\d+) at once', out)
        if self.process.returncode != 0 or not found:
            raise Broken(f'{self.subject} ended with status {self.process.returncode}: {out}')
        return int(found[1]), int(found[2])


def milliseconds(text):
    number, unit = re.fullmatch(r'([\d.]+)(us|ms|s|m)', text).groups()
    return float(number) * {'us': 0.001, 'ms': 1, 's': 1000, 'm': 60000}[unit]


def wrk(url, connections, seconds, cpu):
    """The load, started."""
    words = ['wrk', '-t1', f'-c{connections}', f'-d{seconds}s', '--timeout', '60s', '--latency', url]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            preexec_fn=lambda: os.sched_setaffinity(0, {cpu}))


def finish(load, what):
    """Requests per second, p50 and p99 in milliseconds; nothing may have failed."""
    out, _ = load.communicate()
    requests = re.search(r'(\d+) requests in', out)
    if load.returncode != 0 or not requests or 'Socket errors' in out or 'Non-2xx' in out:
        raise Broken(f'wrk against {what}: {out}')
    if int(requests[1]) == 0:
        raise Starved(f'wrk against {what}: not one request')
    p50, p99 = (milliseconds(re.search(rf' {p}%\s+(\S+)', out)[1]) for p in (50, 99))
    return float(re.search(r'Requests/sec:\s+([\d.]+)', out)[1]), p50, p99


def measure(build, subject, root, path, connections, seconds):
    """As measure_once(), which is tried again, longer, if the machine had no time for it."""
    while True:
        try:
            return measure_once(build, subject, root, path, connections, seconds)
        except Starved as why:
            if seconds > 15:
                raise
            seconds *= 2
            print(f'{why}; again, for {seconds} s', file=sys.stderr)


def measure_once(build, subject, root, path, connections, seconds):
    """
    A fresh server under load. The CPU time is that of accepting the connections, too, and of whatever else it does. The
    server counts the requests, for wrk leaves out those on their way at its end: one per connection.
    """
    server_cpu, client_cpu = cpus()
    with Server(build, subject, root, server_cpu) as server:
        subprocess.run(['curl', '-sSf', '--noproxy', '*', '-o', '/dev/null', server.url + path], check=True)
        memory, descriptors, cpu = server.memory(), server.descriptors(), server.cpu()
        load = wrk(server.url + path, connections, seconds, client_cpu)
        try:
            time.sleep(seconds * 0.7)
            memory, descriptors = server.memory() - memory, server.descriptors() - descriptors
            lwps = server.lwps()
        finally:
            rate, p50, p99 = finish(load, f'{subject}, {connections} connections')
        cpu = server.cpu() - cpu
        requests, most = server.stop()
    # Fewer connections than were asked for means that the server had no time to accept them all.
    return Sample(cpu=cpu / requests * 1e6, rate=rate, p50=p50, p99=p99,
                  threads=most + 1 if subject in THREADED else 1, lwps=lwps, memory=memory / max(descriptors, 1))


def turns(rounds):
    """The subjects of each round: each begins with another one, so that a drifting machine drifts for all."""
    names = list(SUBJECTS)
    for turn in range(rounds):
        first = turn % len(names)
        yield names[first:] + names[:first]


def progress(text):
    if sys.stderr.isatty():
        print(f'\r\033[K{text}', end='', file=sys.stderr, flush=True)


def progress_end():
    progress('')
