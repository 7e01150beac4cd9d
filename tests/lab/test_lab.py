# SPDX-License-Identifier: GPL-2.0-or-later
"""Private memory on a real kernel's KVM, inside an emulated machine.

Every test says by its name which of the lab's two kernels it ran on.
"""
import pathlib
import re
import shlex
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
# pylint: disable=wrong-import-position
import lab as machine  # noqa: E402
from lab import BUILD, CBIT, QEMU, Lab  # noqa: E402
from linux_guest import PLAIN_QEMU, linux  # noqa: E402

HERE = pathlib.Path(__file__).parent
KERNELS = ('pristine', 'cbit')
SELFTESTS = ('private_mem_conversions_test', 'private_mem_kvm_exits_test',
             'guest_memfd_test')
# One run a line: payload, options, and the kernels that it is for.
RUNS = {
    'seeds': KERNELS,
    'seeds,policy=none': ('pristine',),
    'requests': KERNELS,
    'race,cpus=4': KERNELS,
    'slots': KERNELS,
    'crossing': KERNELS,
    'undo': KERNELS,
    'stale,dimm=1': ('cbit',),
    'readonly': ('pristine',),
}
# Known faults of QEMU's own conversions: the run that shows each, and the
# check that it fails, or None where the guest never comes to its end.
FAULTS = {
    'range-crosses-regions': ('cbit', 'crossing', 'hidden-memory-kept'),
    'slots-split-anew': ('pristine', 'slots', None),
    'failure-not-undone': ('pristine', 'undo', None),
    'vcpu-loops': ('cbit', 'stale,dimm=1', None),
    'refusal-ends-guest': ('pristine', 'requests', None),
}
SECONDS = 120
# As in lab.py: with single timer events a guest may sleep for long.
APPEND = 'quiet nohz=off highres=off'

if machine.kernel_folder() is None:
    pytest.skip("the lab's kernel is not built here: make lab",
                allow_module_level=True)


class Machines:
    """One machine for each kernel; a new one where the last has ended."""

    def __init__(self):
        self.labs = {}

    def get(self, kernel):
        lab = self.labs.get(kernel)
        if lab is None or not lab.alive:
            lab = self.labs[kernel] = Lab(kernel, cpus=2)
        return lab

    def close(self):
        for lab in self.labs.values():
            lab.close()


@pytest.fixture(scope='module')
def machines():
    """The lab's machines, which end with the last test."""
    found = Machines()
    yield found
    found.close()


def source_names(payload):
    """The names of all checks that a payload has to report."""
    text = (HERE / f'guest/payloads/{payload}.c').read_text()
    names = re.findall(r'\bT\("([^"]+)"\)', text)
    for prefix in re.findall(r'\bA\("([^"]+)"\)', text):
        names += [f'{prefix}/{name}'
                  for name in re.findall(r'\bS\("([^"]+)"\)', text)]
    return names


@pytest.fixture(scope='module')
def reports(machines):
    """Run payloads, each once: {check: (state, detail)} and the output."""
    found = {}

    def report(kernel, run):
        if (kernel, run) in found:
            return found[kernel, run]
        subprocess.run(['make', '-s', '-C', HERE / 'guest',
                        f'out={BUILD / "lab"}'], check=True)
        cbit = CBIT if kernel == 'cbit' else 0
        try:
            _, output = machines.get(kernel).run(
                f'python3 -B {HERE}/run_payload.py {cbit} {run}', SECONDS)
        except machine.LabError as error:
            output = str(error)
        checks = {}
        for line in output.splitlines():
            match = re.match(r'(ok|not ok|skip) ([^:]+)(?:: (.*))?$', line)
            if match:
                state, name, detail = match.groups()
                if name in checks:
                    state, detail = 'not ok', 'reported twice'
                checks[name] = state, detail
        found[kernel, run] = checks, output
        return found[kernel, run]

    return report


def all_checks():
    for run, kernels in RUNS.items():
        for kernel in kernels:
            for name in source_names(run.split(',')[0]):
                yield pytest.param(kernel, run, name,
                                   id=f'{kernel}-{run}-{name}')


@pytest.mark.parametrize('name', SELFTESTS)
def test_selftest(machines, name):
    """The kernel's own tests: they check the lab.

    They need a kernel that takes the type of an access from the attribute.
    """
    lab = machines.get('pristine')
    status, output = lab.run(f'{lab.selftests}/{name}', SECONDS)
    assert status == 0, output[-2000:]


def test_qemu_with_kvm(machines):
    """Our QEMU runs in the lab and has its KVM."""
    status, output = machines.get('pristine').run(
        f'echo quit | {QEMU} -accel kvm -machine none -display none '
        '-nodefaults -monitor stdio', SECONDS)
    assert status == 0, output


def linux_guest(lab, *arguments):
    """Boot Linux under KVM in the lab; its status and what it said."""
    words = [QEMU, '-accel', 'kvm', '-cpu', 'host', '-smp', '1', '-m', '512M',
             '-nodefaults', '-display', 'none', '-no-reboot',
             '-serial', 'stdio', *linux(lab.folder, append=APPEND),
             *arguments]
    return lab.run(' '.join(shlex.quote(str(word)) for word in words),
                   SECONDS)


def test_plain_linux(machines):
    """A guest without private memory runs as ever."""
    status, output = linux_guest(machines.get('pristine'), '-machine', 'q35')
    assert 'userspace: 1 CPUs' in output, output[-2000:]
    assert 'userspace: end' in output, output[-2000:]
    assert status == 0, output[-2000:]


def test_linux(machines):
    """Linux comes to userspace on a software protected VM, and ends."""
    status, output = linux_guest(
        machines.get('pristine'),
        '-machine', 'q35,confidential-guest-support=guest,memory-backend=ram',
        '-object', 'memory-backend-memfd-private,id=ram,size=512M',
        '-object', 'sw-protected-guest,id=guest', '-bios', 'OVMF.fd')
    assert 'nothing of this guest is protected' in output, output[-2000:]
    assert 'userspace: 1 CPUs' in output, output[-2000:]
    assert 'userspace: end' in output, output[-2000:]
    assert status == 0, output[-2000:]


@pytest.mark.parametrize('kernel', KERNELS)
def test_all_checks_reported(reports, kernel):
    """Each payload ends well, and reports no check that nobody looks at."""
    for run, kernels in RUNS.items():
        if kernel not in kernels:
            continue
        checks, output = reports(kernel, run)
        assert '# finished' in output, output[-3000:]
        assert set(checks) == set(source_names(run.split(',')[0])), \
            output[-3000:]


@pytest.mark.parametrize('kernel,run,name', all_checks())
def test_payload(reports, kernel, run, name):
    """One check of one payload."""
    checks, output = reports(kernel, run)
    state, detail = checks.get(name, ('missing', output[-1500:]))
    if state == 'skip':
        pytest.skip(f'{kernel}: {detail}')
    assert state == 'ok', f'{state}: {detail}'


@pytest.mark.parametrize('fault', FAULTS)
def test_fault_of_unpatched_qemu(reports, fault):
    """What passes with our QEMU fails with QEMU as it is (make plain).

    A payload that passed there would prove nothing here.
    """
    if not PLAIN_QEMU.exists():
        pytest.skip('unpatched QEMU is not built here: make plain')
    kernel, run, check = FAULTS[fault]
    checks, output = reports(kernel, f'{run},qemu=plain')
    if check:
        assert checks[check][0] == 'not ok', output[-1500:]
    else:
        assert '# finished' not in output, output[-1500:]
