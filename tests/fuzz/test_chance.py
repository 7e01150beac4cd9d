# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests whose second vCPU runs what chance makes of its VMSA and its code.

Those without SEV-SNP run such code by themselves.

Whatever becomes of such a guest, QEMU ends in good order: by itself, mostly
after a triple fault, or when it is told to.
"""
import os
import pathlib
import subprocess
import sys

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / 'tests/guest'))

import payload as guest  # noqa: E402

# A guest takes as long as some thousand inputs of a fuzzer.
GUESTS = max(int(os.environ.get('FUZZ_RUNS', '1000000')) // 5000, 1)
# Shutdown, good, checks that failed, exception of the first vCPU
STATUSES = (0, guest.EXIT_GOOD, guest.EXIT_FAILED_CHECKS, 37)


def run(seed, **options):
    """How QEMU ended, and what it said."""
    # Of the first VMSA that is not usable a guest is not to end.
    arguments = guest.arguments('chance', hypervisor='specification',
                                **options)
    process = subprocess.Popen(
        [guest.qemu_binary(), *arguments, '-display', 'none',
         '-serial', 'stdio'],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT)
    # One vCPU soon comes to a halt; two do something for a while.
    seconds = 20 if 'smp' in options else 3
    try:
        said, _ = process.communicate(seed.to_bytes(8, 'big'), timeout=seconds)
        return process.returncode, said
    except subprocess.TimeoutExpired:
        process.terminate()
    try:
        said, _ = process.communicate(timeout=20)
        return process.returncode, said
    except subprocess.TimeoutExpired:
        process.kill()
        return 'hangs', process.communicate()[0]


@pytest.mark.parametrize('options', (
    {'smp': 2}, {'smp': 2, 'accel': 'tcg,thread=single'},
    {'kind': 'sev'}, {'kind': 'sev', 'mode': 'off'},
    {'kind': 'es'}, {'kind': 'es', 'mode': 'off'}),
    ids=lambda options: '-'.join(map(str, options.values())))
def test_chance(options):
    """No signal, no abort, and no QEMU that does not listen."""
    subprocess.run(['make', '-s', '-C', str(guest.HERE),
                    f'out={guest.BUILD / "guest"}'], check=True)
    for seed in range(1, GUESTS + 1):
        # Neighbours have to begin differently.
        status, said = run(seed * 0x9e3779b97f4a7c15 % 2**64, **options)
        assert status in STATUSES, \
            f'seed {seed}: {status}\n{said.decode(errors="replace")[-4000:]}'
