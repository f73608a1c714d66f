# SPDX-License-Identifier: BSD-2-Clause
"""languages.py - what compilers and interpreters make of threads"""
import os
import re
import xml.etree.ElementTree

from trial import Broken, scenario

PYTHON = '/usr/bin/python3.11'


@scenario('', 'parallel loops, reductions, tasks, sections, locks and a barrier of GNU OpenMP, four threads',
          name='OpenMP')
def openmp(t):
    return t.run([t.build / 'tests/program-openmp', '40'], subject=True, env={'OMP_NUM_THREADS': '4'})


@scenario('', '`std::thread`, `std::async`, `std::shared_mutex`, `thread_local` objects, exceptions across futures, '
          'cancelled threads that unwind', name='C++')
def cxx(t):
    return [t.run([t.build / 'tests/program-tasks', '40'], subject=True),
            t.run([t.build / 'tests/program-exceptions'], subject=True)]


def cases(path):
    """What became of each test of CPython's: {name: passed, failed or skipped}."""
    became = {}
    for case in xml.etree.ElementTree.parse(path).iter('testcase'):
        tags = {child.tag for child in case}
        name = case.get('name').split(' ')[0]
        became[name] = 'failed' if tags & {'failure', 'error'} else 'skipped' if 'skipped' in tags else 'passed'
    return became


def cpython(t, test, *without):
    """Runs a module of CPython's own tests; one that passes natively has to pass. WITHOUT: cases that are left out."""
    words = [PYTHON, '-m', 'test', '--timeout', str(int(t.left()) - 5), '--junit-xml', t.dir / 'cases.xml']
    for case in without:
        words += ['-i', case]
    printed = t.run([*words, test], subject=True, status=None, env={'HOME': str(t.dir), 'PYTHONPATH': ''},
                    cwd=t.dir).decode(errors='replace')
    if not os.path.exists(t.dir / 'cases.xml'):
        stuck = re.findall(r'line \d+ in (test\w+|check_\w+)', printed)
        raise Broken(f'hangs in {stuck[0]}' if stuck else f'did not end: {printed.strip()[-300:]}')
    became = cases(t.dir / 'cases.xml')
    if not became:
        raise Broken(f'no test was run: {printed.strip()[-300:]}')
    return became


def own_tests(name, *tests, skip=(), but='', limit=240):
    """A scenario: CPython's own TESTS."""
    @scenario('python3.11', f"CPython's own {', '.join(f'`{test}`' for test in tests)}{but}", name=f'CPython {name}',
              limit=limit, rounds=1)
    def run(t):
        return {case: became for test in tests for case, became in cpython(t, test, *skip).items()}


own_tests('threading', 'test_threading')
own_tests('queue', 'test_thread', 'test_threading_local', 'test_queue')
own_tests('subprocess', 'test_subprocess')
own_tests('signal', 'test_signal')
# In some guests that test waits for ever for a connection to itself.
own_tests('socket', 'test_socket', skip=('ThreadedVSOCKSocketStreamTest',), but=", without virtual machines' sockets")
own_tests('futures', 'test_concurrent_futures', limit=480)
own_tests('asyncio', 'test_asyncio', limit=480)


MANY = '''
import sys, threading
count = int(sys.argv[1])
threading.stack_size(65536)
go, there = threading.Event(), threading.Semaphore(0)
def wait():
    there.release()
    go.wait()
threads = [threading.Thread(target=wait) for _ in range(count)]
for each in threads:
    each.start()
for each in threads:
    there.acquire()
go.set()
for each in threads:
    each.join()
print(threading.active_count())
'''


@scenario('python3.11', '50,000 threads that wait for an event, and are joined; 5,000 kernel threads, because there '
          'are not so many numbers, so without times', name='CPython 50,000 threads', limit=400, rounds=1)
def cpython_many(t):
    return t.run([PYTHON, '-c', MANY, 50000 if t.prefix else 5000], subject=True, timed=False)
