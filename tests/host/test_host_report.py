# SPDX-License-Identifier: GPL-2.0-or-later
"""An attestation report from L2, by L1's KVM and driver, is verified."""
import base64
import shutil

import pytest

import l2
from linux_guest import LOGS
from test_snp_attestation import (MODULES, NONCES, PREPARE,  # noqa: F401
                                  printed, report_script, verify)
from test_snp_launch import image_of, rows

pytestmark = pytest.mark.at_length
# The chip of this L1; it is made when the firmware needs it.
CHIP = LOGS / 'host/chip'
OPTIONS = {'extra': ['-global', f'amd-psp.cert-dir={CHIP}']}


@pytest.fixture(scope='module', name='report')
def attest(host):
    """Boot once for all tests that look at the same report: its file."""
    shutil.rmtree(CHIP, ignore_errors=True)
    folder = host.get().folder / 'report'
    script = PREPARE + report_script('r', NONCES[0])
    output = host.check(l2.boot_linux(folder, 'snp', script=script,
                                      modules=MODULES), 540)
    output = output.replace('\r', '')
    assert printed(output, 'r', 'provider') == 'sev_guest'
    path = folder / 'report'
    path.write_bytes(base64.b64decode(printed(output, 'r', 'outblob')))
    return path


def case_of(report, nonce=NONCES[0], digest=None):
    """What the verifier is to look at.

    KVM has no certificates to hand on: they are the chip's.
    """
    row = next(row for row in rows() if row['cpu'] == l2.CPU and
               row['vcpus'] == '1' and row['features'] == '0x1' and
               row['hashes'] == 'off')
    image_of(row['firmware'])
    return [CHIP / 'ark.der', report, CHIP / 'certs.bin', nonce.hex(),
            digest or row['digest']]


def test_verified(report, verify):  # noqa: F811
    """Report, chain, nonce and measurement are right."""
    assert verify([case_of(report)]) == ['ok']


def test_refused(report, verify):  # noqa: F811
    """Another nonce or measurement is not."""
    verdicts = verify([case_of(report, nonce=NONCES[1]),
                       case_of(report, digest='00' * 48)])
    assert all(verdict.startswith('refused') for verdict in verdicts)
