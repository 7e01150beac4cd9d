#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Launch SEV guests under KVM, inside the lab or the emulated SNP host.

usage: run_sev.py [--stand-in FILE] CASES

CASES is a file of JSON: an object of cases by name, each with "arguments" of
QEMU, "environment", and "steps", QMP commands with their arguments, or "log"
to wait for a text in the log of the stand-in for SEV, sev-firmware.so.  A line
of JSON is printed for each: exit status, messages, answers to the steps, and
the log of the stand-in with a SHA-384 for each page of what was launched.
"""
import argparse
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / 'tests/guest'))
# pylint: disable=wrong-import-position
from host_side import PAGE  # noqa: E402
from payload import BUILD, Monitor  # noqa: E402

# As in kvm_host.py
LIMIT = 2400


def digests(data):
    """The SHA-384 of each page."""
    return [hashlib.sha384(data[at:at + PAGE]).hexdigest()
            for at in range(0, len(data), PAGE)]


def read_log(path):
    """The lines of the stand-in's log, numbers as such."""
    if not path.exists():
        return []
    data = pathlib.Path(f'{path}.data')
    data = data.read_bytes() if data.exists() else b''
    records = []
    for line in path.read_text().splitlines():
        name, *fields = line.split(' ')
        record = {'name': name}
        for field in fields:
            key, value = field.split('=')
            record[key] = int(value) if re.fullmatch(r'-?\d+', value) \
                and len(value) < 20 else value
        size = record.get('size', 0)
        record['contents'] = digests(data[:size])
        data = data[size:]
        records.append(record)
    assert not data, 'more was launched than the log says'
    return records


def wait_for(log, text):
    """Wait until the stand-in has written a text."""
    ends = time.monotonic() + LIMIT
    while text not in log.read_text():
        if time.monotonic() > ends:
            raise RuntimeError(f'no {text!r} in the log')
        time.sleep(0.02)


def take_steps(monitor, log, steps):
    """What QMP answers; it ends where QEMU does."""
    answers = []
    for name, arguments in steps:
        try:
            answers.append(wait_for(log, **arguments) if name == 'log' else
                           monitor.command(name, **arguments))
        except RuntimeError as error:
            answers.append({'error': str(error)})
        except (json.JSONDecodeError, OSError):
            break
    return answers


def run(case, stand_in):
    """Run QEMU with one case, to its end."""
    monitor = Monitor()
    folder = pathlib.Path(tempfile.mkdtemp())
    messages = folder / 'messages'
    log = folder / 'log'
    began = time.monotonic()
    with messages.open('w') as stderr:
        process = subprocess.Popen(
            [BUILD / 'qemu-system-x86_64', '-accel', 'kvm', '-nodefaults',
             '-display', 'none', '-no-reboot', *monitor.arguments(),
             *case['arguments']],
            env=dict(os.environ, **case['environment'], **(
                {'LAB_SEV_LOG': log, 'LD_PRELOAD': stand_in}
                if stand_in else {})),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=stderr, pass_fds=[monitor.theirs.fileno()])
    monitor.theirs.close()
    answers = take_steps(monitor, log, case['steps'])
    try:
        status = process.wait(LIMIT)
    except subprocess.TimeoutExpired:
        process.kill()
        status = None
        process.wait()
    monitor.close()
    return {'status': status, 'messages': messages.read_text(),
            'answers': answers, 'log': read_log(log),
            'seconds': round(time.monotonic() - began, 2)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--stand-in')
    parser.add_argument('cases', type=pathlib.Path)
    options = parser.parse_args()
    for name, case in json.loads(options.cases.read_text()).items():
        print(json.dumps({'name': name, **run(case, options.stand_in)}),
              flush=True)


if __name__ == '__main__':
    main()
