# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests of the emulated processor: what they take, and what to start one."""
import contextlib
import ctypes
import io
import os
import pathlib
import re
import resource
import subprocess
import time

from figures import TOP, in_turn, ratio
from linux_guest import (BUILD, FIRMWARE, LIMIT, PLAIN_QEMU, QEMU, Guest,
                         linux, plain, snp)
import payload

# What a guest measures of itself, in hundredths of a second.
SCRIPT = '''
now() { read up idle </proc/uptime; echo ${up%.*}${up#*.}; }
dd if=/dev/zero of=/tmp/data bs=1M count=96 2>/dev/null
begin=$(now); sha256sum /tmp/data >/dev/null
echo figure sha256 $(($(now) - begin))
begin=$(now); i=0
while [ $i -lt 400 ]; do /bin/busybox true; i=$((i+1)); done
echo figure fork $(($(now) - begin))
begin=$(now); i=0
while [ $i -lt 400 ]; do /bin/nothing; i=$((i+1)); done
echo figure exec $(($(now) - begin))
'''
# A program without a C library: that of busybox executes CPUID some 40 times
# when it starts, each of which is a #VC exception to an SNP guest.
NOTHING = '''
.globl _start
_start: xor %edi, %edi
        mov $60, %eax
        syscall
'''


def cpu_seconds(pid):
    """The CPU time of a process until now, threads that have ended and all."""
    clock = ctypes.c_int()
    error = ctypes.CDLL(None).clock_getcpuclockid(pid, ctypes.byref(clock))
    if error:
        raise OSError(error, os.strerror(error))
    return time.clock_gettime(clock.value)


def cpu_of_children():
    """The CPU time of all processes that were waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def boot(side, args, binary=QEMU):
    """Boot a guest to its end; return what it took.

    "boot", until its user space runs, and "all" are seconds of CPU time, what
    the guest has measured of itself is time.
    """
    guest = Guest(f'bench-{side}', *args, binary=binary)
    guest.folder.mkdir(parents=True, exist_ok=True)
    before = cpu_of_children()
    try:
        guest.launch()
        process = guest.get_pid()
        guest.wait_for('userspace: ')
        took = {'boot': cpu_seconds(process)}
        serial = guest.finish()
        took['all'] = cpu_of_children() - before
    finally:
        guest.shutdown(hard=True)
    for name, hundredths in re.findall(r'^figure (\w+) (\d+)', serial, re.M):
        took[name] = int(hundredths) / 100
    return took


def nothing():
    """An entry for an initramfs: the least that a program can be."""
    program = BUILD / 'bench/nothing'
    program.parent.mkdir(exist_ok=True)
    subprocess.run(['gcc', '-nostdlib', '-static', '-o', program,
                    '-x', 'assembler', '-'], input=NOTHING.encode(),
                   check=True)
    return 'bin/nothing', 0o100755, program.read_bytes()


def guests(runs):
    """Boots and work, with SNP, without, and by unpatched QEMU."""
    tail = linux(BUILD / 'logs/bench', SCRIPT, more=[nothing()])
    quiet = [*tail[:-1], tail[-1] + ' quiet']
    results = in_turn(
        runs, 'guests',
        plain=lambda: boot('plain', [*plain(), *tail]),
        snp=lambda: boot('snp', [*snp(), *tail]),
        unpatched=lambda: boot('unpatched', [*plain(), *tail], PLAIN_QEMU),
        plain_quiet=lambda: boot('plain', [*plain(), *quiet]),
        snp_quiet=lambda: boot('snp', [*snp(), *quiet]))

    def side(which, figure):
        return [run[figure] for run in results[which]]

    # Each character of a console is an exit of an SNP guest.
    yield ratio('snp-boot-vs-plain', None,
                side('snp', 'boot'), side('plain', 'boot'))
    yield ratio('snp-boot-quiet-vs-plain', 1.05,
                side('snp_quiet', 'boot'), side('plain_quiet', 'boot'))
    for figure, goal in ('sha256', 1.05), ('fork', 1.03), ('exec', 1.03):
        yield ratio(f'snp-{figure}-vs-plain', goal,
                    side('snp', figure) + side('snp_quiet', figure),
                    side('plain', figure) + side('plain_quiet', figure))
    yield ratio('plain-vs-unpatched', 1.00,
                side('plain', 'all'), side('unpatched', 'all'))


def sev(policy, mode, memory='1G'):
    """Return the arguments of an SEV or SEV-ES guest."""
    words = plain(memory)
    words[words.index('-machine') + 1] += ',confidential-guest-support=sev0'
    return [*words, '-object', 'sev-guest,id=sev0,cbitpos=51,'
            f'reduced-phys-bits=1,policy={policy},upm-mode={mode}']


def conversions_per_second(kind, mode):
    """What a payload reaches that converts and uses one page again and again.

    The host's clock says when it began and ended.
    """
    lines = io.StringIO()
    with contextlib.redirect_stdout(lines):
        payload.run('rate', echo=True, kind=kind, mode=mode)
    said = dict((text, float(at)) for at, text in re.findall(
        r'^ *([\d.]+) # (begin|end)$', lines.getvalue(), re.M))
    count, = re.findall(r'# conversions (\w+)', lines.getvalue())
    return int(count, 16) / (said['end'] - said['begin'])


def kinds(runs):
    """Boots of SEV and SEV-ES guests against plain ones, and conversions.

    Without a mode in its name a figure is that of upm-mode=off, the default.
    Linux makes 64 MiB of buffers for devices in each of these guests; what a
    plain guest takes that is told to do so has a figure of its own.
    """
    subprocess.run(['make', '-s', '-C', TOP / 'tests/guest',
                    f'out={BUILD}/guest'], check=True)
    tail = linux(BUILD / 'logs/bench', append='quiet')
    sides = {'plain': [*plain(), *tail],
             'plain-buffers': [*plain(), *tail[:-1],
                               tail[-1] + ' swiotlb=force']}
    for name, policy in ('sev', 1), ('sev-es', 5):
        sides[name] = [*sev(policy, 'off'), *tail]
        sides[name + '-on'] = [
            word.replace('memory-backend-memfd,', 'memory-backend-memfd-private,')
            for word in [*sev(policy, 'on'), *tail]]
    results = in_turn(runs, 'kinds', **{
        name: lambda name=name, args=args: boot(name, args)['all']
        for name, args in sides.items()})
    yield ratio('plain-buffers-boot-vs-plain', None,
                results['plain-buffers'], results['plain'])
    for name, goal in ('sev', 1.02), ('sev-es', 1.05):
        for side in name, name + '-on':
            yield ratio(f'{side}-boot-vs-plain', goal, results[side],
                        results['plain'])
    rates = in_turn(runs, 'conversions', **{
        f'{kind}{"" if mode == "off" else "-on"}':
        lambda kind=kind, mode=mode: conversions_per_second(kind, mode)
        for kind in ('sev', 'es', 'snp') for mode in ('off', 'on')
        if (kind, mode) != ('snp', 'off')})
    for side, values in rates.items():
        yield {'name': f'{side}-conversions-per-s', 'value': max(values),
               'unit': '1/s', 'goal': None, 'runs': len(values),
               'min': min(values), 'max': max(values)}


def cpu_of_cont(args):
    """CPU time of "cont" of a guest that was started with -S: its launch.

    That of the main thread alone: vCPUs run before "cont" has been answered.
    """
    guest = Guest('bench-launch', '-S', *args)

    def spent():
        thread = f'/proc/{guest.get_pid()}/task/{guest.get_pid()}/schedstat'
        return int(pathlib.Path(thread).read_text().split()[0]) / 1e9

    try:
        guest.launch()
        guest.cmd('query-sev')
        before = spent()
        guest.cmd('cont')
        return spent() - before
    finally:
        guest.shutdown(hard=True)


def launch(runs):
    """A launch against copying and hashing the same pages.

    The launch is what "cont" of an SNP guest takes more than that of the same
    guest without SNP.
    """
    program = BUILD / 'bench/sha384'
    program.parent.mkdir(exist_ok=True)
    subprocess.run(['gcc', '-O2', '-Wall', '-o', program,
                    TOP / 'bench/sha384.c', '-lgnutls'], check=True)

    def bare():
        done = subprocess.run([program, FIRMWARE / 'OVMF.fd'], check=True,
                              stdout=subprocess.PIPE, timeout=LIMIT)
        return int(done.stdout) / 1e9

    results = in_turn(3 * runs, 'launch', bare=bare,
                      snp=lambda: cpu_of_cont(snp(memory='128M')),
                      plain=lambda: cpu_of_cont(plain(memory='128M')))
    least = min(results['plain'])
    yield ratio('launch-vs-memcpy-sha384', 1.10,
                [seconds - least for seconds in results['snp']],
                results['bare'])


def seconds_of(args):
    """Time a whole run of QEMU."""
    began = time.monotonic()
    subprocess.run([QEMU, '-nodefaults', '-display', 'none', *args],
                   check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL, timeout=LIMIT)
    return time.monotonic() - began


def first_instruction(args):
    """Time QEMU from its start until the guest runs its first code."""
    began = time.monotonic()
    # pylint: disable=consider-using-with
    qemu = subprocess.Popen(
        [QEMU, '-nodefaults', '-display', 'none', '-trace', 'exec_tb', *args],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        if any(b'exec_tb' in line for line in qemu.stderr):
            return time.monotonic() - began
        raise RuntimeError('the guest did not run')
    finally:
        qemu.kill()
        qemu.stderr.close()
        qemu.wait()


def start(runs):
    """From the command line to the measurement, or to the guest's code."""
    results = in_turn(
        3 * runs, 'start',
        measure=lambda: seconds_of(snp(guest=',measure-only=hex')),
        snp=lambda: first_instruction(snp()),
        plain=lambda: first_instruction(plain()))
    for name, side in (('measure-only-s', 'measure'),
                       ('start-to-first-instruction-s', 'snp'),
                       ('plain-start-to-first-instruction-s', 'plain')):
        yield {'name': name, 'value': min(results[side]), 'unit': 's',
               'goal': None, 'runs': len(results[side]),
               'min': min(results[side]), 'max': max(results[side])}
