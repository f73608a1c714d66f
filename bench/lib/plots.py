# SPDX-License-Identifier: BSD-2-Clause
"""plots.py - data files for gnuplot, and gnuplot itself"""

import os
import shutil
import subprocess

from plan import TARGETS
from report import index, judge


def _quote(text):
    return '"' + text.replace('"', "'") + '"'


def _targets(rows):
    by_key = index(rows)
    for target in TARGETS:
        found = judge(target, by_key)
        if found is not None:
            yield _quote(target.text), found[2], found[2], found[2]


def _million(rows):
    for r in rows:
        if r['bench'] in ('parked', 'sleepers') and r['unit'] == 's':
            yield _quote(f"{r['bench']}, {r['subject']}: {r['metric']}"), r['median'], r['min'], r['max']


def _clusters(rows):
    """A line of the subjects' names, then one line per metric: median, min and max of each subject, or NaN."""
    subjects = list(dict.fromkeys(r['subject'] for r in rows))
    by_key = index(rows)
    if rows:
        yield ['-', *[cell for s in subjects for cell in (_quote(s), '-', '-')]]
    for bench, metric in dict.fromkeys((r['bench'], r['metric']) for r in rows):
        line = [_quote(f'{bench}: {metric}')]
        for subject in subjects:
            row = by_key.get((bench, subject, metric))
            line += [row['median'], row['min'], row['max']] if row else ['NaN'] * 3
        yield line


def _small(rows):
    return _clusters([r for r in rows if r['unit'] == 'ns'])


def _http(rows):
    return _clusters([r for r in rows if r['bench'].startswith('http') and r['unit'] == 'us'])


# The script, its data, what stands above it, and its mark: see plot/*.gp.
PLOTS = {
    'targets': ('bars.gp', _targets, 'Measured, over what is to be reached: up to the line is reached', 1),
    'million': ('bars.gp', _million, 'Very many threads: seconds', 0),
    'small': ('clusters.gp', _small, 'Nanoseconds each, logarithmic', 1),
    'http': ('clusters.gp', _http, 'CPU microseconds per request', 0),
}


def draw(rows, out, scripts):
    """Writes OUT/NAME.dat and OUT/NAME.svg for each plot that has data. Returns what to tell the reader."""
    gnuplot = shutil.which('gnuplot')
    drawn = []
    for name, (script, data, heading, mark) in PLOTS.items():
        lines = list(data(rows))
        if not lines:
            continue
        path = os.path.join(out, name)
        with open(path + '.dat', 'w', encoding='utf-8') as f:
            f.writelines(' '.join(map(str, cells)) + '\n' for cells in lines)
        if gnuplot is None:
            continue
        settings = f"path='{path}'; heading='{heading}'; mark={mark}; lines={len(lines)}; cells={len(lines[0])}"
        subprocess.run([gnuplot, '-e', settings, os.path.join(scripts, script)], check=True)
        drawn.append(path + '.svg')
    return drawn if gnuplot else ['no plots: gnuplot is not installed']
