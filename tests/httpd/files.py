# SPDX-License-Identifier: BSD-2-Clause
"""files.py - the site that the servers serve, in a directory that has a secret beside it"""
import hashlib
import os
import random


class Site:
    SIZES = (0, 1, 100, 900, 1100, 1400, 4095, 4096, 4097, 16383, 16384, 16385, 20000, 65536, 100000, 300000, 3000000)
    LARGE = 100 << 20

    def __init__(self, top):
        self.top = top
        self.root = os.path.join(top, 'site')
        self.random = random.Random(1).randbytes(max(self.SIZES))
        self.write('../secret', b'a secret\n')
        self.write('hello.txt', b'Hello, World!\n')
        self.write('index.html', b'<p>index</p>\n')
        self.write('dir/index.html', b'<p>dir</p>\n')
        self.write('listing/plain', b'')
        self.write('listing/a&b<c>.txt', b'escaped\n')
        self.write('listing/x:y', b'colon\n')
        os.mkdir(os.path.join(self.root, 'listing/sub dir?'))
        for name in ('a.css', 'a.js', 'a.PNG', 'a.tar.gz', 'noext', 'a.b/noext', 'a.unknown'):
            self.write('types/' + name, b'')
        for i in range(100):
            self.write(f'small/{i}.txt', b'%d\n' % i)
        for i in range(6000):
            self.write(f'many/{i}', b'%d' % i)
        for size in self.SIZES:
            self.write(f'size/{size}', self.content(size))
        self.write('old.txt', b'old\n')
        os.utime(os.path.join(self.root, 'old.txt'), (784111777, 784111777))
        for name, to in [('inside', 'hello.txt'), ('dir', 'dir'), ('secret', '../secret'), ('up', '..'),
                         ('absolute', os.path.join(top, 'secret')), ('loop', 'link-loop'), ('nowhere', 'none')]:
            os.symlink(to, os.path.join(self.root, 'link-' + name))
        os.mkfifo(os.path.join(self.root, 'fifo'))
        self.large_sha256 = self.write_large()

    def content(self, size):
        return self.random[:size]

    def write(self, name, data):
        path = os.path.join(self.root, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'wb') as f:
            f.write(data)

    def write_large(self):
        """Each MiB is another one, so that a piece in the wrong place shows."""
        digest = hashlib.sha256()
        block = random.Random(2).randbytes(1 << 20)
        with open(os.path.join(self.root, 'large'), 'wb') as f:
            for i in range(self.LARGE >> 20):
                piece = i.to_bytes(8, 'little') + block[8:]
                digest.update(piece)
                f.write(piece)
        return digest.hexdigest()
