# SPDX-License-Identifier: BSD-2-Clause
"""machine.py - where and with what a run was made: without it, figures mean little"""

import json
import os
import platform
import subprocess
import time


def _read(path):
    try:
        with open(path, encoding='utf-8') as f:
            return f.read().strip()
    except OSError:
        return None


def _field(path, name):
    for line in (_read(path) or '').splitlines():
        key, _, value = line.partition(':')
        if key.strip() == name:
            return value.strip()
    return None


def _first_line(*words):
    try:
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()[0].strip()
    except (OSError, subprocess.CalledProcessError, IndexError):
        return None


def _build(build):
    """The compiler and the kind of build, as Meson noted them."""
    def note(name):
        with open(os.path.join(build, 'meson-info', name), encoding='utf-8') as f:
            return json.load(f)

    try:
        compiler = next(sources['compiler'] for target in note('intro-targets.json')
                        for sources in target['target_sources'] if sources.get('language') == 'c')
        values = {option['name']: option['value'] for option in note('intro-buildoptions.json')}
    except (OSError, ValueError, StopIteration):
        return {}
    return {'compiler': _first_line(*compiler, '--version'),
            **{name: values.get(name) for name in ('buildtype', 'b_sanitize', 'debug_checks')}}


def facts(source, build, cpu):
    governor = _read(f'/sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_governor')
    return {
        'date': time.strftime('%Y-%m-%d %H:%M %Z'),
        'commit': _first_line('git', '-C', source, 'describe', '--always', '--dirty'),
        'kernel': platform.release(),
        'arch': platform.machine(),
        'cpu': _field('/proc/cpuinfo', 'model name') or platform.processor() or None,
        'cpus': os.cpu_count(),
        'measured_on_cpu': cpu,
        'governor': governor or 'none: the kernel does not set the frequency',
        'virtual_machine': ' hypervisor ' in f" {_field('/proc/cpuinfo', 'flags')} ",
        'memory': _field('/proc/meminfo', 'MemTotal'),
        'huge_pages': _read('/sys/kernel/mm/transparent_hugepage/enabled'),
        'libc': os.confstr('CS_GNU_LIBC_VERSION') if 'CS_GNU_LIBC_VERSION' in os.confstr_names else None,
        'load': os.getloadavg()[0],
        **_build(build),
    }


def memory_available():
    return int((_field('/proc/meminfo', 'MemAvailable') or '0 kB').split()[0]) * 1024
