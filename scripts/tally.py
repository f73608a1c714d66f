# SPDX-License-Identifier: BSD-2-Clause
"""tally.py - what test programs said, summed up

A test program prints "name: N passed, N failed, N skipped" and before that a line FAIL or SKIP for each case that did
not pass (tests/harness). One that prints no such line, or fails with none failed, counts as one case itself.
"""
import re

COUNT = re.compile(r"^(\S+): (\d+) passed, (\d+) failed, (\d+) skipped$", re.MULTILINE)
REASON = re.compile(r"^(FAIL|SKIP) (.*)$", re.MULTILINE)


def judge(test):
    """The passed, failed and skipped cases of one test, and what there is to say about them."""
    out = test["stdout"] or ""
    counts = COUNT.findall(out)
    if counts:
        passed, failed, skipped = (int(n) for n in counts[-1][1:])
        reasons = REASON.findall(out)
        if test["returncode"] != 0 and failed == 0:
            failed = 1
            reasons.append(("FAIL", f"{test['name']}: {test['result']}, after its last case"))
        return passed, failed, skipped, reasons
    if test["returncode"] == 0:
        return 1, 0, 0, []
    if test["returncode"] == 77:
        return 0, 0, 1, [("SKIP", f"{test['name']}: {out.strip()}")]
    return 0, 1, 0, [("FAIL", f"{test['name']}: {test['result']}, exit code {test['returncode']}")]


def tally(tests):
    """Prints what failed, what was skipped, and the sum; the exit code that this deserves."""
    total = [0, 0, 0]
    said = {"FAIL": [], "SKIP": []}
    for test in tests:
        *counts, reasons = judge(test)
        total = [a + b for a, b in zip(total, counts)]
        for kind, text in reasons:
            said[kind].append(text)
        if counts[1]:
            print(f"\n==== {test['name']}\n{test['stdout'] or ''}{test.get('stderr') or ''}")
    print()
    for kind in ("SKIP", "FAIL"):
        for text in said[kind]:
            print(f"{kind} {text}")
    print(f"{total[0]} passed, {total[1]} failed, {total[2]} skipped", flush=True)
    return 1 if total[1] or total == [0, 0, 0] else 0
