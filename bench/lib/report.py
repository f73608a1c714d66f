# SPDX-License-Identifier: BSD-2-Clause
"""report.py - rows as tables that read well in a terminal and in Markdown"""

from plan import PEERS, TARGETS


def number(value):
    if value is None:
        return '-'
    size = abs(value)
    if size >= 100 or value == 0:
        return f'{value:,.0f}'
    return f'{value:.1f}' if size >= 10 else f'{value:.2f}' if size >= 0.1 else f'{value:.2g}'


def quantity(value, unit):
    return f'{number(value)} {unit}'.strip()


def table(head, lines, right=()):
    """The columns whose numbers are in RIGHT are set flush right."""
    lines = [[str(cell) for cell in line] for line in lines]
    width = [max(len(line[i]) for line in [head, *lines]) for i in range(len(head))]

    def row(cells):
        return '| ' + ' | '.join(c.rjust(w) if i in right else c.ljust(w)
                                 for i, (c, w) in enumerate(zip(cells, width))) + ' |'

    rule = '|' + '|'.join('-' * (w + 1) + (':' if i in right else '-') for i, w in enumerate(width)) + '|'
    return '\n'.join([row(head), rule, *map(row, lines)])


def index(rows):
    return {(r['bench'], r['subject'], r['metric']): r for r in rows}


def compared(row, by_key):
    """The row's median over that of its peer, and the peer's name."""
    for peer in PEERS:
        other = by_key.get((row['bench'], peer, row['metric']))
        if other is not None and other['median'] > 0:
            return '-' if peer == row['subject'] else f"{number(row['median'] / other['median'])} x {peer}"
    return '-'


def figures(rows):
    by_key = index(rows)
    order = sorted(rows, key=lambda r: [x['bench'] for x in rows].index(r['bench']))
    lines = [(r['bench'], r['metric'], r['subject'], quantity(r['median'], r['unit']), number(r['min']),
              number(r['max']), r['runs'], compared(r, by_key)) for r in order]
    head = ['bench', 'metric', 'subject', 'median', 'min', 'max', 'runs', 'compared']
    return table(head, lines, (3, 4, 5, 6)) if lines else ''


def judge(target, by_key):
    """(measured, limit, ratio, unit) of a target, or None when the rows do not have it."""
    row = by_key.get(target.value)
    peer = by_key.get(target.peer) if target.peer else None
    if row is None or (target.peer and peer is None):
        return None
    limit = target.fixed + (target.factor * peer['median'] if peer else 0.0)
    return row['median'], limit, row['median'] / limit, row['unit']


def targets(rows, benches):
    """The targets of BENCHES, measured or not."""
    by_key = index(rows)
    lines = []
    for target in TARGETS:
        if target.value[0] not in benches:
            continue
        found = judge(target, by_key)
        if found is None:
            lines.append((target.text, '-', '-', '-', 'not measured'))
            continue
        measured, limit, ratio, unit = found
        verdict = 'reached' if ratio <= 1.0 else 'missed'
        many = by_key.get(target.of)
        if many is not None and many['median'] != 1e6:
            verdict += f", with {number(many['median'])} threads"
        lines.append((target.text, quantity(measured, unit), quantity(limit, unit), f'{ratio:.2f}', verdict))
    return table(['to reach', 'measured', 'limit', 'ratio', ''], lines, (1, 2, 3)) if lines else ''


def machine(facts):
    keys = ('date', 'commit', 'kernel', 'arch', 'cpu', 'cpus', 'memory', 'governor', 'libc', 'compiler', 'buildtype')
    lines = [(k, facts[k]) for k in keys if facts.get(k) is not None]
    return table(['machine', ''], lines) if lines else ''
