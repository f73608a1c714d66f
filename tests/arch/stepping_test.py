#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""stepping_test.py BUILD: a debugger sees who called whom, at each instruction of a switch of threads

It runs the plays of backtrace_test under gdb, which reads this file again, for the part that begins with "in gdb". From
its first instruction on each switch is stepped through. The callers that gdb finds must be those of the context that is
left, and from some instruction on those of the other, with the callee-saved registers that they have when they run; and
the outermost must be one that has no caller. A program for another CPU runs in QEMU, which has a stub for gdb.
"""
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import time

try:
    import gdb
except ImportError:
    gdb = None

#: Per play, at least and at most.
SWITCHES = 60, 2000
#: A kernel thread and a context begin there, and nobody calls them.
BEGINNINGS = ("arch_thread_start", "_start", "clone", "clone3", "__clone", "__clone3", "thread_start")
#: What the switches of a play must come to in the end: a context that has not run before, and each kind of stack.
MUST_SEE = {
    "contexts": {"new", "arch_thread_start", "_start"},
    "threads": {"new", "arch_thread_start", "_start", "clone"},
    "main": {"new", "arch_thread_start", "_start", "clone"},
}
KEPT = {
    "i386:x86-64": ("rbx", "rbp", "r12", "r13", "r14", "r15"),
    "aarch64": tuple(f"x{n}" for n in range(19, 30)) + tuple(f"d{n}" for n in range(8, 16)),
}
#: Below the stack pointer, what a signal handler leaves alone.
RED_ZONE = {"i386:x86-64": 128, "aarch64": 0}
#: The number of the only other CPU in an ELF header.
AARCH64 = 183


class Wrong(Exception):
    """What gdb should not see."""


# In gdb


def number(value):
    if value.type.code == gdb.TYPE_CODE_UNION:
        value = value["u"]
    return int(value.cast(gdb.lookup_type("long")))


def callers(frame, kept):
    """The frame's function, address, stack pointer and kept registers, and those of all its callers."""
    found = []
    while frame is not None:
        if frame.type() != gdb.INLINE_FRAME:
            registers = tuple(number(frame.read_register(name)) for name in ("sp", *kept))
            found.append((frame.name(), frame.pc(), registers))
        if len(found) > 60:
            raise Wrong(f"there is no end: {show(found)}")
        last, frame = frame, frame.older()
    reason = last.unwind_stop_reason()
    if reason != gdb.FRAME_UNWIND_OUTERMOST:
        raise Wrong(f"{gdb.frame_stop_reason_string(reason)}: {show(found)}")
    if found[-1][0] not in BEGINNINGS:
        raise Wrong(f"nothing begins there: {show(found)}")
    return found


def show(found):
    return " <- ".join(str(name) for name, *_ in found)


def spoil_unused(frame):
    """As a signal handler might."""
    low = number(frame.read_register("sp")) - RED_ZONE[frame.architecture().name()] - 256
    gdb.selected_inferior().write_memory(low, b"\xa5" * 256)


def step_through(kept, begin, end):
    """From the first instruction of a switch to that behind its last: which beginnings were seen."""
    before = callers(gdb.newest_frame(), kept)[1:]
    seen = []
    while begin <= (pc := gdb.newest_frame().pc()) < end:
        spoil_unused(gdb.newest_frame())
        try:
            seen.append((pc, callers(gdb.newest_frame(), kept)[1:]))
        except (Wrong, gdb.error) as wrong:
            raise Wrong(f"at arch_switch_body+{pc - begin}: {wrong}") from None
        gdb.execute("stepi", to_string=True)
    after = callers(gdb.newest_frame(), kept)
    on = before
    for pc, found in seen:
        if found != on and found == after:
            on = after
        if found != on:
            raise Wrong(f"at arch_switch_body+{pc - begin}:\n{found}\nis neither\n{before}\nnor\n{after}")
    if on is not after:
        raise Wrong("the other context was never seen")
    # A new one is stopped before it has called anybody.
    ends = {before[-1][0], after[-1][0]} | ({"new"} if len(after) == 1 else set())
    return {"clone" if "clone" in end or end == "thread_start" else end for end in ends}


def play_in_gdb(play, start):
    for setting in ("pagination off", "confirm off", "backtrace past-main on", "backtrace past-entry on"):
        gdb.execute(f"set {setting}")
    if start == "run":
        gdb.execute("break main")
        gdb.execute("run")
    else:
        gdb.execute("set sysroot /")
        gdb.execute(start)
        gdb.execute("break main")
        gdb.execute("continue")
    kept = KEPT[gdb.newest_frame().architecture().name()]
    begin, end = (int(gdb.parse_and_eval(f"(long)&{name}")) for name in ("arch_switch_body", "arch_thread_start"))
    gdb.execute("delete")
    gdb.execute(f"break *{begin}")
    seen = set()
    switches = 0
    while switches < SWITCHES[0] or not MUST_SEE[play] <= seen:
        if switches == SWITCHES[1]:
            raise Wrong(f"after {switches} switches only {sorted(seen)} were seen")
        gdb.execute("continue", to_string=True)
        if gdb.newest_frame().pc() != begin:
            raise Wrong(f"stopped elsewhere: {show(callers(gdb.newest_frame(), kept))}")
        # The other kernel threads stay where they are meanwhile.
        gdb.execute("set scheduler-locking step")
        seen |= step_through(kept, begin, end)
        gdb.execute("set scheduler-locking off")
        switches += 1


def read_by_gdb():
    try:
        play_in_gdb(os.environ["STEPPING_PLAY"], os.environ["STEPPING_START"])
        print("\nRIGHT")
    except (Wrong, gdb.error) as wrong:
        print("\nWRONG", wrong)
    if gdb.selected_inferior().pid:
        gdb.execute("kill", to_string=True)


# Outside


def play_under(debugger, program, play, emulated):
    """What gdb printed."""
    with tempfile.TemporaryDirectory() as scratch:
        start, emulator = "run", None
        if emulated:
            gate = f"{scratch}/gdb"
            emulator = subprocess.Popen(["qemu-aarch64", "-g", gate, program, play], stdin=subprocess.DEVNULL)
            while not os.path.exists(gate) and emulator.poll() is None:
                time.sleep(0.01)
            start = f"target remote {gate}"
        environment = dict(os.environ, STEPPING_PLAY=play, STEPPING_START=start)
        # The leak checker cannot work in a program that is traced.
        environment["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"
        try:
            return subprocess.run([debugger, "-nx", "-batch", "-x", __file__, "--args", program, play],
                                  env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True, check=False).stdout
        finally:
            if emulator:
                emulator.kill()
                emulator.wait()


def is_for_other_cpu(program):
    with open(program, "rb") as file:
        machine = struct.unpack_from("<H", file.read(20), 18)[0]
    return machine == AARCH64 and os.uname().machine != "aarch64"


def judge(said):
    """What is wrong, or None."""
    for lacking in ("ptrace: Operation not permitted", "Python scripting is not supported"):
        if lacking in said:
            print(f"gdb cannot look: {lacking}")
            sys.exit(77)
    if re.search(r"^RIGHT$", said, re.MULTILINE):
        return None
    wrong = re.search(r"^WRONG (.*)", said, re.MULTILINE)
    print(said)
    return wrong[1] if wrong else "gdb has not come to its end"


def main():
    program = f"{sys.argv[1]}/tests/arch-backtrace_test"
    emulated = is_for_other_cpu(program)
    debugger = "gdb-multiarch" if emulated else "gdb"
    for tool in [debugger, "qemu-aarch64"] if emulated else [debugger]:
        if not shutil.which(tool):
            print(f"no {tool} here")
            return 77
    # The emulator has no io_uring, which the runtime of the others needs.
    plays = ["contexts"] if emulated else list(MUST_SEE)
    failed = 0
    for play in plays:
        wrong = judge(play_under(debugger, program, play, emulated))
        if wrong:
            print(f"FAIL stepping.{play}: {wrong}")
            failed += 1
    print(f"stepping: {len(plays) - failed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if gdb:
    read_by_gdb()
else:
    sys.exit(main())
