# SPDX-License-Identifier: GPL-2.0-or-later
"""Private memory on a real kernel's KVM, inside an emulated machine.

Every test says by its name which of the lab's two kernels it ran on.  The two
machines, of two processors each, take turns: side by side each would wait for
what the other keeps busy.  A test waits for the job whose output it looks at.
"""
import concurrent.futures
import json
import pathlib
import re
import shlex
import subprocess
import sys

import pytest

sys.path[:0] = [str(pathlib.Path(__file__).parent)]
# pylint: disable=wrong-import-position
import lab as machine  # noqa: E402
from lab import BUILD, CBIT, TOP, Machine  # noqa: E402
from linux_guest import PLAIN_QEMU, QEMU, linux  # noqa: E402
sys.path.append(str(TOP / 'tests/guest'))
from payload import marked_names, source_text  # noqa: E402

HERE = pathlib.Path(__file__).parent
KERNELS = ('pristine', 'cbit')
SELFTESTS = ('private_mem_conversions_test', 'private_mem_kvm_exits_test',
             'guest_memfd_test')
# One run a line: payload, options, and the kernels that can have it: without
# an encryption bit no access differs from the state of its page.
RUNS = {
    'seeds': KERNELS,
    'seeds,policy=none': KERNELS,
    'seeds,slots=4,cpus=4': KERNELS,
    'holes': KERNELS,
    'holes,slots=4,policy=none': KERNELS,
    'requests': KERNELS,
    'race,cpus=4': KERNELS,
    'storm,cpus=2': KERNELS,
    'slots': KERNELS,
    'devices': KERNELS,
    'prefault': KERNELS,
    'reset': KERNELS,
    'reset,policy=none': KERNELS,
    'crossing': KERNELS,
    'undo,size=320': KERNELS,
    'discard_fails': KERNELS,
    'stale,dimm=1': KERNELS,
    'eject,dimm=1,cpus=2': KERNELS,
    'liveness,size=320,cpus=2': ('pristine',),
    'dirty': ('pristine',),
    'dirty,ring=1': ('pristine',),
    'readonly': ('pristine',),
    'stuck_alternating': ('cbit',),
    'stuck_mmio': ('cbit',),
}
# Known faults of QEMU's own conversions: the run that shows each, and the
# check that it fails, or None where the guest never comes to its end.
FAULTS = {
    'range-crosses-regions': ('cbit', 'crossing', 'hidden-memory-kept'),
    'slots-split-anew': ('pristine', 'slots', None),
    'failed-discard-ends-guest': ('pristine', 'discard_fails', None),
    'vcpu-loops': ('cbit', 'stale,dimm=1', None),
    'refusal-ends-guest': ('pristine', 'requests', None),
}
# What a run in the lab may take at most, and one of unpatched QEMU that is to
# be seen to hang
SECONDS = 580
HANGS = 20
# As in lab.py: with single timer events a guest may sleep for long.
APPEND = 'quiet nohz=off highres=off'

MISSING = machine.why_missing()
pytestmark = pytest.mark.skipif(MISSING is not None, reason=str(MISSING))


def runs_in_order():
    """As jobs are, so that no test has to wait for more than its own."""
    for kernel in KERNELS:
        for run, kernels in RUNS.items():
            if kernel in kernels:
                yield kernel, run


def payload_command(kernel, run):
    cbit = CBIT if kernel == 'cbit' else 0
    return lambda _: f'python3 -B {HERE}/run_payload.py {cbit} {run}'


def plain_run(run, check):
    """The same by unpatched QEMU; without a check to look at it hangs."""
    return f'{run},qemu=plain' + ('' if check else f',limit={HANGS}')


def selftest_command(name):
    return lambda lab: f'{lab.selftests}/{name}'


def linux_command(*arguments):
    """Boot Linux under KVM in the lab."""
    def command(lab):
        words = [QEMU, '-accel', 'kvm', '-cpu', 'host', '-smp', '1',
                 '-m', '512M', '-nodefaults', '-display', 'none',
                 '-no-reboot', '-serial', 'stdio',
                 *linux(lab.folder, append=APPEND), *arguments]
        return ' '.join(shlex.quote(str(word)) for word in words)
    return command


def doctor_command(_):
    """What the lab lacks, in JSON."""
    return f'python3 -B {TOP}/tools/qemu-upm-doctor --json --for snp ' \
        f'--memory 64M --qemu {QEMU}'


PLAIN_LINUX = ('-machine', 'q35')
PROTECTED_LINUX = (
    '-machine', 'q35,confidential-guest-support=guest,memory-backend=ram',
    '-object', 'memory-backend-memfd-private,id=ram,size=512M',
    '-object', 'sw-protected-guest,id=guest', '-bios', 'OVMF.fd')


@pytest.fixture(scope='module')
def jobs():
    """What runs in the lab: {(kernel, name): the end of it}."""
    subprocess.run(['make', '-s', '-C', HERE / 'guest',
                    f'out={BUILD / "lab"}'], check=True)
    pool = concurrent.futures.ThreadPoolExecutor(1)
    machines = {kernel: Machine(kernel, SECONDS, pool) for kernel in KERNELS}
    found = {('pristine', name):
             machines['pristine'].submit(selftest_command(name))
             for name in SELFTESTS}
    found['pristine', 'linux'] = machines['pristine'].submit(
        linux_command(*PROTECTED_LINUX))
    found['pristine', 'doctor'] = machines['pristine'].submit(doctor_command)
    found['pristine', 'plain-linux'] = machines['pristine'].submit(
        linux_command(*PLAIN_LINUX))
    for kernel, run in runs_in_order():
        found[kernel, run] = machines[kernel].submit(
            payload_command(kernel, run))
    if PLAIN_QEMU.exists():
        for kernel, run, check in FAULTS.values():
            run = plain_run(run, check)
            found[kernel, run] = machines[kernel].submit(
                payload_command(kernel, run))
    yield found
    pool.shutdown(cancel_futures=True)
    for one in machines.values():
        one.close()


def source_names(run, kernel):
    """The names of all checks that a run has to report on a kernel."""
    text = source_text(run.split(',')[0], HERE / 'guest/payloads')
    names = marked_names(text)
    return names + marked_names(text, 'CBIT_') if kernel == 'cbit' else names


def reported(output):
    """What payloads say: {check: (state, detail)}."""
    checks = {}
    for line in output.splitlines():
        match = re.match(r'(ok|not ok|skip) ([^:]+)(?:: (.*))?$', line)
        if match:
            state, name, detail = match.groups()
            if name in checks:
                state, detail = 'not ok', 'reported twice'
            checks[name] = state, detail
    return checks


@pytest.mark.parametrize('name', SELFTESTS)
def test_selftest(jobs, name):
    """The kernel's own tests: they check the lab.

    They need a kernel that takes the type of an access from the attribute.
    """
    status, output = jobs['pristine', name].result()
    assert status == 0, output[-2000:]


def test_doctor(jobs):
    """qemu-upm-doctor: KVM with private memory, but no SEV."""
    status, output = jobs['pristine', 'doctor'].result()
    found = {check['name']: check['status']
             for check in json.loads(output.splitlines()[-1])['checks']}
    wanted = {'qemu': 'pass', 'qemu-kvm': 'pass', 'kvm': 'pass',
              'memory': 'pass', 'hypercall': 'pass', 'cpu-snp': 'fail',
              'type-snp': 'fail', 'sev': 'fail', 'snp-firmware': 'skip'}
    assert {name: found[name] for name in wanted} == wanted, output
    assert status == 1


def expect_linux(status, output):
    """Linux came to userspace and ended."""
    assert 'userspace: 1 CPUs' in output, output[-2000:]
    assert 'userspace: end' in output, output[-2000:]
    assert status == 0, output[-2000:]


def test_plain_linux(jobs):
    """A guest without private memory runs as ever."""
    expect_linux(*jobs['pristine', 'plain-linux'].result())


def test_linux(jobs):
    """Linux runs on a software protected VM.

    It converts nothing: kernels do that only where they find SEV or TDX.
    """
    status, output = jobs['pristine', 'linux'].result()
    assert 'nothing of this guest is protected' in output, output[-2000:]
    expect_linux(status, output)


def all_runs():
    for kernel, run in runs_in_order():
        yield pytest.param(kernel, run, id=f'{kernel}-{run}')


def all_checks():
    for kernel, run in runs_in_order():
        for name in source_names(run, kernel):
            yield pytest.param(kernel, run, name, id=f'{kernel}-{run}-{name}')


@pytest.mark.parametrize('kernel,run', all_runs())
def test_end(jobs, kernel, run):
    """The payload ended well, and reported no check nobody looks at."""
    _, output = jobs[kernel, run].result()
    assert '# finished' in output, output[-3000:]
    assert set(reported(output)) == set(source_names(run, kernel)), \
        output[-3000:]


@pytest.mark.parametrize('kernel,run,name', all_checks())
def test_payload(jobs, kernel, run, name):
    """One check of one payload."""
    _, output = jobs[kernel, run].result()
    state, detail = reported(output).get(name, ('missing', output[-1500:]))
    assert state == 'ok', f'{state}: {detail}'


@pytest.mark.parametrize('fault', FAULTS)
@pytest.mark.skipif(not PLAIN_QEMU.exists(),
                    reason='unpatched QEMU is not built here: make plain')
def test_fault_of_unpatched_qemu(jobs, fault):
    """What passes with our QEMU fails with QEMU as it is (make plain).

    A payload that passed there would prove nothing here.
    """
    kernel, run, check = FAULTS[fault]
    _, output = jobs[kernel, plain_run(run, check)].result()
    if check:
        assert reported(output)[check][0] == 'not ok', output[-1500:]
    else:
        assert '== ' in output and '# finished' not in output, output[-1500:]
