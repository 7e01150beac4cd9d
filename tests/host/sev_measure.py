#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Launch a SEV or SEV-ES guest by KVM and print its measurement, in hex.

usage: sev_measure.py POLICY FIRMWARE VCPUS QEMU [WORD...]

The guest is stopped before its first instruction.  A measurement is HMAC and
nonce: SEV API (55766), section 6.5.1; without a session the key is zero.
"""
import base64
import json
import subprocess
import sys


def main():
    """One guest"""
    policy, firmware, vcpus, *qemu = sys.argv[1:]
    words = [*qemu, '-accel', 'kvm', '-cpu', 'EPYC-v4', '-smp', vcpus, '-m',
             '256M', '-S', '-nodefaults', '-display', 'none', '-machine',
             'q35,confidential-guest-support=sev0', '-object',
             'sev-guest,id=sev0,cbitpos=51,reduced-phys-bits=5,'
             f'legacy-vm-type=off,policy={policy}',
             '-bios', firmware, '-qmp', 'stdio']
    with subprocess.Popen(words, stdin=subprocess.PIPE, text=True,
                          stdout=subprocess.PIPE) as guest:
        for command in ('qmp_capabilities', 'query-sev-launch-measure',
                        'query-sev', 'quit'):
            guest.stdin.write(json.dumps({'execute': command}) + '\n')
        guest.stdin.flush()
        for line in guest.stdout:
            answer = json.loads(line)
            data = answer.get('return') or answer.get('error') or {}
            if 'data' in data:
                print('measurement', base64.b64decode(data['data']).hex())
            elif data:
                print('said', json.dumps(data))
    return guest.returncode


if __name__ == '__main__':
    sys.exit(main())
