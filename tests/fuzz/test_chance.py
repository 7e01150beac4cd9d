# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests whose second vCPU runs what chance makes of its VMSA and its code.

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


def run(seed, accel):
    """How QEMU ended, and what it said."""
    # Of the first VMSA that is not usable a guest is not to end.
    arguments = guest.arguments('chance', smp=2, accel=accel,
                                hypervisor='specification')
    process = subprocess.Popen(
        [guest.qemu_binary(), *arguments, '-display', 'none',
         '-serial', 'stdio'],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT)
    try:
        said, _ = process.communicate(seed.to_bytes(8, 'big'), timeout=20)
        return process.returncode, said
    except subprocess.TimeoutExpired:
        process.terminate()
    try:
        said, _ = process.communicate(timeout=20)
        return process.returncode, said
    except subprocess.TimeoutExpired:
        process.kill()
        return 'hangs', process.communicate()[0]


@pytest.mark.parametrize('accel', ('tcg', 'tcg,thread=single'))
def test_chance(accel):
    """No signal, no abort, and no QEMU that does not listen."""
    subprocess.run(['make', '-s', '-C', str(guest.HERE),
                    f'out={guest.BUILD / "guest"}'], check=True)
    for seed in range(1, GUESTS + 1):
        # Neighbours have to begin differently.
        status, said = run(seed * 0x9e3779b97f4a7c15 % 2**64, accel)
        assert status in STATUSES, \
            f'seed {seed}: {status}\n{said.decode(errors="replace")[-4000:]}'
