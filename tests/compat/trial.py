# SPDX-License-Identifier: BSD-2-Clause
"""trial.py - one attempt of one scenario: its directory, its ports, its processes, its clock

A scenario is a function of a trial. The program that is looked at is started by run() and serve() with subject=True,
which is where `ellula run` comes in; what it talks to is started without. Nothing outlives a trial: its processes are
ended, and its directory is removed.
"""
import contextlib
import dataclasses
import os
import pathlib
import random
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

PATIENCE = 30   # seconds for a server to listen, and for it to end


class Broken(Exception):
    """The result is not what it has to be."""


class Late(Exception):
    """The scenario's time is over."""


class Missing(Exception):
    """The machine lacks something."""


@dataclasses.dataclass
class Scenario:
    name: str
    package: str        # Debian's, whose version the table shows; empty: it is one of ours
    what: str           # what is done, for the table
    function: object
    limit: int          # seconds
    rounds: int | None  # how often it is measured, if not as often as others
    why: str            # the reason why it is known to fail


SCENARIOS = {}


def scenario(package, what, name=None, limit=120, rounds=None, why=''):
    """Adds a scenario. Its function returns what has to be the same with and without ellula, or nothing."""
    def add(function):
        key = name or function.__name__
        SCENARIOS[key] = Scenario(key, package, what, function, limit, rounds, why)
        return function
    return add


def children():
    """All processes that this one has to answer for: as a subreaper it gets what others leave."""
    parents = {}
    for entry in pathlib.Path('/proc').iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, IndexError):
                fields = (entry / 'stat').read_text(encoding='utf-8', errors='replace').rpartition(')')[2].split()
                parents[int(entry.name)] = int(fields[1])
    mine = {os.getpid()}
    while True:
        more = {pid for pid, parent in parents.items() if parent in mine} - mine
        if not more:
            return mine - {os.getpid()}
        mine |= more


def end_children():
    for _ in range(100):
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        left = children()
        if not left:
            return
        for pid in left:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


class Trial:
    def __init__(self, build, prefix, limit):
        self.build = build
        self.prefix = prefix    # the words before the program that is looked at
        self.until = time.monotonic() + limit
        self.seconds = 0.0      # of what was timed
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix='libellula-compat-'))
        self.logs = []

    def left(self):
        left = self.until - time.monotonic()
        if left <= 0:
            raise Late
        return left

    @contextlib.contextmanager
    def timed(self):
        begin = time.monotonic()
        yield
        self.seconds += time.monotonic() - begin

    def words(self, words, subject):
        return [str(word) for word in [*(self.prefix if subject else []), *words]]

    def log(self, name):
        path = self.dir / f'log-{len(self.logs)}-{pathlib.Path(str(name)).name}'
        self.logs.append(path)
        return path

    def run(self, words, subject=False, into=None, timed=None, env=None, cwd=None, status=0):
        """Runs a program until it ends, which is timed if it is the subject: what it printed, or nothing if it went
        INTO a file."""
        clock = self.timed() if (subject if timed is None else timed) else contextlib.nullcontext()
        log = self.log(words[0])
        with open(into or self.dir / 'out', 'w+b') as out, open(log, 'wb') as err:
            with clock:
                process = subprocess.Popen(self.words(words, subject), stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                                           cwd=cwd or self.dir, env={**os.environ, **(env or {})},
                                           start_new_session=True)
                try:
                    code = process.wait(self.left())
                except subprocess.TimeoutExpired:
                    raise Late from None
            out.seek(0)
            text = b'' if into else out.read()
        if status is not None and code != status:
            said = log.read_text(errors='replace').strip() or text.decode(errors='replace').strip()
            ended = f'ended by {signal.Signals(-code).name}' if code < 0 else f'exit status {code}'
            raise Broken(f'{words[0]}: {ended}: {said[-300:]}')
        return text

    @contextlib.contextmanager
    def serve(self, words, port, subject=False, end=signal.SIGTERM, status=(0, -signal.SIGTERM), env=None, cwd=None):
        """A server that listens on PORT, a number or the path of a socket, and has to live until END is sent to it."""
        log = self.log(words[0])
        with open(log, 'wb') as out:
            process = subprocess.Popen(self.words(words, subject), stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                       cwd=cwd or self.dir, env={**os.environ, **(env or {})}, start_new_session=True)
        self.wait_for(process, words[0], port, log)
        yield process
        if process.poll() is not None:
            raise Broken(f'{words[0]} has ended ({process.returncode}): {log.read_text(errors="replace")[-300:]}')
        process.send_signal(end)
        try:
            code = process.wait(min(PATIENCE, self.left()))
        except subprocess.TimeoutExpired:
            raise Broken(f'{words[0]} does not end at {signal.Signals(end).name}') from None
        if code not in status:
            raise Broken(f'{words[0]} ended with {code}: {log.read_text(errors="replace")[-300:]}')

    def wait_for(self, process, name, port, log):
        end = time.monotonic() + min(PATIENCE, self.left())
        family, place = (socket.AF_INET, ('127.0.0.1', port)) if isinstance(port, int) else (socket.AF_UNIX, str(port))
        while True:
            with socket.socket(family) as s:
                s.settimeout(5)
                with contextlib.suppress(OSError):
                    s.connect(place)
                    return
            if process.poll() is not None or time.monotonic() > end:
                raise Broken(f'{name} does not listen: {log.read_text(errors="replace")[-300:]}')
            time.sleep(0.02)

    def data(self, size):
        """A file of words, the same each time."""
        path = self.dir / 'data'
        words = [bytes(random.Random(i).choices(b'etaoinshrdlu', k=2 + i % 9)) for i in range(2000)]
        chance = random.Random(1)
        pieces = [b' '.join(chance.choices(words, k=10000)) for _ in range(16)]
        with open(path, 'wb') as f:
            while f.tell() < size:
                f.write(chance.choice(pieces)[chance.randrange(1000):])
            f.truncate(size)
        return path

    def same(self, one, other):
        if subprocess.run(['cmp', '-s', str(one), str(other)], check=False, timeout=self.left()).returncode != 0:
            raise Broken(f'{pathlib.Path(one).name} and {pathlib.Path(other).name} differ')

    def tell(self):
        """What the library said, if anything: a panic, or that threads remain the kernel's."""
        for log in self.logs:
            with contextlib.suppress(OSError):
                for line in log.read_text(errors='replace').splitlines():
                    if line.startswith('libellula:'):
                        return line
        return ''

    def finish(self):
        end_children()
        shutil.rmtree(self.dir, ignore_errors=True)


def at_once(count, function):
    """FUNCTION(i) in COUNT threads of ours; the first exception is raised."""
    wrong = []

    def call(i):
        try:
            function(i)
        except Exception as why:    # pylint: disable=broad-except
            wrong.append(why)

    threads = [threading.Thread(target=call, args=(i,)) for i in range(count)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    if wrong:
        raise wrong[0]


def raise_limits():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, 8192), hard), hard))
