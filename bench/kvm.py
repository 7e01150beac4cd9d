# SPDX-License-Identifier: GPL-2.0-or-later
"""Conversions: of the core, under KVM in the lab, and in the emulated host.

With one processor in the lab, and for conversions in the host, time is
instructions: of a payload, of the kernel with its KVM and of QEMU.
"""
import json
import statistics
import subprocess
import sys
import time

from figures import TOP, in_turn, progress, ratio
from l1 import Host
import l2
from lab import CBIT, COUNTED, Lab, kernel_folder
from linux_guest import BUILD, LIMIT, QEMU

LAB_LIMIT = 3600


def core(runs):
    """What the unit test of the core measures of it."""
    program = QEMU.parent / 'qemu/build/tests/unit/test-upm-random'

    def once():
        done = subprocess.run([program, '--bench'], check=True, text=True,
                              stdout=subprocess.PIPE, timeout=LIMIT)
        return dict(line.split() for line in done.stdout.splitlines())

    results = in_turn(runs, 'core', core=once)['core']
    for name in results[0]:
        values = [float(result[name]) for result in results]
        size = name == 'map-bytes-per-gib'
        yield {'name': name, 'value': statistics.median(values),
               'unit': 'B/GiB' if size else '1/s',
               'goal': 32768 if size else None, 'runs': len(values),
               'min': min(values), 'max': max(values)}


def in_lab(kernel, runs, *sides, cpus=1):
    """Run sides in turn inside the lab; return {side: its figures}.

    With one processor time is instructions of it: of the payload, of the
    kernel with its KVM and of QEMU.  More of them can only be emulated in
    this machine's time.
    """
    cbit = CBIT if kernel == 'cbit' else 0
    progress(f'kvm: {runs} runs of {len(sides)} sides, {kernel} kernel')
    with Lab(kernel, cpus=cpus, name='bench', counted=cpus == 1) as lab:
        status, output = lab.run(
            f'python3 -B {TOP}/bench/in_lab.py {cbit} {runs} '
            + ' '.join(sides), LAB_LIMIT)
    if status:
        raise RuntimeError(output)
    return figures_of(output, sides)


def figures_of(output, sides):
    """What in_lab.py has printed: {side: its figures}."""
    results = {side: [] for side in sides}
    for line in output.splitlines():
        if line.startswith('{'):
            figures = json.loads(line)
            results[figures.pop('side')].append(figures)
    return results


def build_for_lab():
    """The payloads, and the probe, which the lab's kernel has headers for."""
    make = ['make', '-s', '-C', TOP / 'tests/lab/guest', f'out={BUILD}/lab']
    subprocess.run(make, check=True)
    headers = kernel_folder() / 'headers/usr/include'
    (BUILD / 'bench').mkdir(exist_ok=True)
    subprocess.run(['gcc', '-O2', '-Wall', '-static', '-isystem', headers,
                    '-o', BUILD / 'bench/probe', TOP / 'bench/probe.c'],
                   check=True)


def conversions(runs):
    """One conversion: ours, unpatched QEMU's, and the bare calls'."""
    sides = [f'{side},policy={policy}' for policy in ('both', 'none')
             for side in ('ours', 'probe')]
    off = 'ours,policy=both,prefault=off'
    results = in_lab('cbit', runs, 'plain', *sides, off)

    def figures(side, name):
        return [figure[name] for figure in results[side]]

    for policy in 'both', 'none':
        ours = f'ours,policy={policy}'
        for name in ('explicit-4k', 'explicit-2m',
                     'implicit-4k', 'implicit-2m'):
            yield ratio(f'kvm-{name}-{policy}-vs-qemu', 1.00,
                        figures(ours, name), figures('plain', name))
            yield ratio(f'kvm-{name}-{policy}-vs-ioctl', 1.20,
                        figures(ours, name),
                        figures(f'probe,policy={policy}', name))
    for name in 'explicit-4k', 'explicit-2m':
        yield ratio(f'kvm-{name}-pre-fault-on-vs-off', 1.00,
                    figures('ours,policy=both', name), figures(off, name))


def memory(runs):
    """Many conversions, large guests, and what they take."""
    small, large, small_vm, large_vm = (
        f'{side},payload=nothing,until=started,size={gib << 10}'
        for side in ('ours', 'vm') for gib in (1, 256))
    touch = 'ours,payload=touch'
    results = in_lab('pristine', runs, small, large, small_vm, large_vm,
                     touch)
    started = {side: [figure['started'] for figure in results[side]]
               for side in (small, large, small_vm, large_vm)}
    yield ratio('start-256g-vs-1g', 1.10, started[large], started[small])
    # QEMU marks all RAM dirty, and KVM makes its tables of it.
    yield ratio('plain-start-256g-vs-1g', None, started[large_vm],
                started[small_vm])
    yield ratio('start-256g-vs-plain', 1.10, started[large],
                started[large_vm])
    yield ratio('resident-vs-touched', 1.02,
                [figure['resident'] for figure in results[touch]],
                [figure['touched'] for figure in results[touch]])
    results = in_lab('pristine', (runs + 1) // 2, 'ours', 'plain')
    yield ratio('kvm-storm-100k-vs-qemu', 1.00,
                *([figure['storm'] for figure in results[side]]
                  for side in ('ours', 'plain')))


def ranges(runs):
    """Requests by the thousand, and one for as many runs."""
    ours, plain = (f'{side},payload=range,size=320'
                   for side in ('ours', 'plain'))
    results = in_lab('pristine', (runs + 1) // 2, ours, plain)
    # Until requests are answered, and until pages were written to as well:
    # what QEMU has mapped already takes the guest no fault.
    for figure, name in (('range', 'range-240m-30720-runs'),
                         ('range-touched', 'range-240m-30720-runs-touched'),
                         ('single', 'single-30720'),
                         ('single-touched', 'single-30720-touched')):
        yield ratio(f'kvm-{name}-vs-qemu', 1.00,
                    *([run[figure] for run in results[side]]
                      for side in (ours, plain)))


def many_vcpus(runs):
    """What waits for another one's conversions: a monitor, and vCPUs."""
    ours, plain = (f'{side},payload=range,size=320,watch=1'
                   for side in ('ours', 'plain'))
    results = in_lab('pristine', runs, ours, plain, cpus=2)
    yield ratio('monitor-wait-during-range-vs-qemu', 1.50,
                *([figure['monitor-wait'] for figure in results[side]]
                  for side in (ours, plain)), best=statistics.median)
    ours, plain = (f'{side},payload=storm4,cpus=4'
                   for side in ('ours', 'plain'))
    results = in_lab('pristine', 2 * runs, ours, plain, cpus=2)
    yield ratio('kvm-storm-4vcpus-vs-qemu', 1.00,
                *([figure['storm4'] for figure in results[side]]
                  for side in (ours, plain)))


def kvm(runs):
    """Conversions under KVM, in the lab."""
    build_for_lab()
    yield from conversions(runs)
    yield from memory(runs)


def many(runs):
    """Many runs, and many vCPUs, under KVM, in the lab."""
    build_for_lab()
    yield from ranges(runs)
    yield from many_vcpus(runs)


def boot_host(snp_host):
    """How long the emulated host takes to its first command."""
    with Host(snp=snp_host, folder='bench') as machine:
        return machine.boot_seconds


def in_host(machine, command):
    """How long a command takes in the emulated host."""
    began = time.monotonic()
    status, output = machine.run(command, LAB_LIMIT)
    if status:
        sys.exit(f'bench: {command} ended with {status}:\n{output[-2000:]}')
    return time.monotonic() - began


def host_boots(runs):
    """Boots of an emulated host (L1) and of guests of its KVM (L2)."""
    results = in_turn(runs, 'host', plain=lambda: boot_host(False),
                      snp=lambda: boot_host(True))
    yield ratio('host-boot-vs-plain', 1.1, results['snp'], results['plain'])
    with Host(folder='bench') as machine:
        def linux_in_host(kind):
            return in_host(machine, l2.boot_linux(
                machine.folder / kind, kind, firmware='OVMF.fd'))
        results = in_turn(runs, 'L2', plain=lambda: linux_in_host('plain'),
                          snp=lambda: linux_in_host('snp'))
        yield ratio('l2-boot-vs-l2-plain', 1.5, results['snp'],
                    results['plain'])
        hello = l2.hello()
        results = in_turn(runs, 'L2', hello=lambda: in_host(
            machine, f'{hello}; [ $? = {l2.GOOD_END} ]'))['hello']
        yield {'name': 'l2-hello', 'value': min(results), 'unit': 's',
               'goal': 1.5, 'runs': runs, 'min': min(results),
               'max': max(results)}


def snp_conversions(runs):
    """Conversions of SNP guests by a real KVM, in the emulated host.

    Time is instructions, as it is in the lab: of the payload, of L1's kernel
    and of QEMU.
    """
    subprocess.run(['make', '-s', '-C', TOP / 'tests/guest',
                    f'out={BUILD}/guest'], check=True)
    sides = [f'{side}-snp,payload=convert' for side in ('ours', 'plain')]
    progress(f'snp: {runs} runs of {len(sides)} sides')
    with Host(folder='bench', extra=COUNTED) as machine:
        status, output = machine.run(
            f'python3 -B {TOP}/bench/in_lab.py {CBIT} {runs} '
            + ' '.join(sides), LAB_LIMIT)
    if status:
        raise RuntimeError(output)
    ours, plain = figures_of(output, sides).values()
    for name in ('single', 'storm', 'range'):
        yield ratio(f'kvm-snp-{name}-vs-qemu', 1.00,
                    *([run[name] for run in side] for side in (ours, plain)))
    yield ratio('kvm-snp-resident-vs-touched', 1.02,
                [run['resident'] for run in ours],
                [run['touched'] for run in ours])


def host(runs):
    """The emulated SNP host, and its guests."""
    yield from host_boots(runs)
    yield from snp_conversions(runs)
