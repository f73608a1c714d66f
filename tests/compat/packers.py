# SPDX-License-Identifier: BSD-2-Clause
"""packers.py - programs that compress with threads: what comes back is what went in"""
from trial import scenario

SIZE = 48 << 20


def there_and_back(t, pack, unpack, threaded_unpack=None):
    """PACKs a file, both ways to unpack it give it back, and the packed file is the same wherever it was packed."""
    data = t.data(SIZE)
    packed, back = t.dir / 'packed', t.dir / 'back'
    t.run([*pack, data], subject=True, into=packed)
    t.run([*unpack, packed], into=back)
    t.same(data, back)
    if threaded_unpack:
        t.run([*threaded_unpack, packed], subject=True, into=back)
        t.same(data, back)
    return t.run(['sha256sum', packed]).split()[0].decode()


@scenario('xz-utils', 'packs 48 MiB with `-T2`, unpacks with `-T2`')
def xz(t):
    return there_and_back(t, ['xz', '-T2', '-1', '--block-size=1MiB', '-c'], ['xz', '-dc'], ['xz', '-T2', '-dc'])


@scenario('zstd', 'packs 48 MiB with `-T2`, unpacks')
def zstd(t):
    return there_and_back(t, ['zstd', '-q', '-T2', '-9', '-c'], ['zstd', '-dqc'], ['zstd', '-T2', '-dqc'])


@scenario('pigz', 'packs 48 MiB with two threads, unpacks')
def pigz(t):
    # Without the name and the time the file is the same each time.
    return there_and_back(t, ['pigz', '-p', '2', '-n', '-c'], ['gzip', '-dc'], ['pigz', '-dc'])


@scenario('pbzip2', 'packs 48 MiB with two threads, unpacks')
def pbzip2(t):
    return there_and_back(t, ['pbzip2', '-p2', '-1', '-c'], ['bzip2', '-dc'], ['pbzip2', '-p2', '-dc'])


@scenario('7zip', 'its benchmark of two threads, which checks what it unpacks; archives 48 MiB, tests the archive')
def sevenzip(t):
    data, archive = t.data(SIZE), t.dir / 'archive.7z'
    t.run(['7zz', 'b', '1', '-mmt2', '-md20'], subject=True)
    t.run(['7zz', 'a', '-mmt2', '-mx1', archive, data], subject=True)
    t.run(['7zz', 't', archive], subject=True)
    t.run(['7zz', 'e', '-so', archive], into=t.dir / 'back')
    t.same(data, t.dir / 'back')
