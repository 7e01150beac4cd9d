# SPDX-License-Identifier: GPL-2.0-or-later
"""The payloads of tests/guest, the same images, under L1's KVM.

The real KVM is what the guest world's answers are held against.
"""
import pytest

import payloads

pytestmark = pytest.mark.at_length
OPTIONS = {'cpus': 4}
# Seconds for one payload; QEMU ends sooner where the guest is stopped.
LIMIT = 240
# ... for one that is known to wait for ever
WAITS = 60


@pytest.mark.parametrize('payload', payloads.names())
def test_payload(host, payload):
    """It differs from the guest world in what the table names only."""
    table = list(payloads.rows())
    waits = [row for row in table if row.payload == payload and
             (row.check, row.says) == (payloads.END, 'status -9')]
    limit = WAITS if waits else LIMIT
    status, output = host.run(payloads.command(payload, limit), limit + 100)
    record = payloads.parse(output)
    assert record, f'{status}: {output[-3000:]}'
    unknown, stale = payloads.compare(record, table)
    said = '\n'.join([*record['lines'][-30:], record['messages'][-1500:]])
    assert not unknown, '\n'.join(unknown) + '\n---\n' + said
    assert not stale, f'rows of {payloads.TABLE} that nothing was found for'


def test_table():
    """Every row is about a payload and a check that there are."""
    known = {name: [*payloads.guest.check_names(name), payloads.END]
             for name in payloads.names()}
    for row in payloads.rows():
        assert row.why
        checks = [check for name, names in known.items() for check in names
                  if payloads.fnmatch.fnmatchcase(name, row.payload) and
                  payloads.fnmatch.fnmatchcase(check, row.check)]
        assert checks, row
