# SPDX-License-Identifier: GPL-2.0-or-later
"""Run each fuzz-NAME.c of this folder under libFuzzer, ASan and UBSan.

A fuzzer is one C file with LLVMFuzzerTestOneInput().  The C files that it is
about it includes, or names in lines "Sources: A B" of its first comment; what
depends on the target has a line "Target: x86_64, i386".  It finds the headers
and helper functions of QEMU's own build.  An input that
fails is kept in build/logs/fuzz, together with what the fuzzer said.
"""
import os
import pathlib
import re
import shlex
import subprocess

import pytest

HERE = pathlib.Path(__file__).resolve().parent
BUILD = pathlib.Path(os.environ.get('UPM_BUILD', HERE.parents[1] / 'build'))
TREE = BUILD / 'qemu'
OUT = TREE / 'build'
LOGS = BUILD / 'logs/fuzz'
RUNS = int(os.environ.get('FUZZ_RUNS', '1000000'))

LIBRARIES = 'glib-2.0 gnutls numa'
SANITIZERS = '-fsanitize=fuzzer,address,undefined ' \
    '-fno-sanitize-recover=undefined -fno-sanitize=function'
# As QEMU's own build has them; what one fuzzer leaves unused another wants.
FLAGS = '-g -O1 -std=gnu11 -fwrapv -fno-strict-aliasing -D_GNU_SOURCE ' \
    '-Wall -Werror -Wno-unused-function'


def target_flags(text):
    """Flags for files that depend on the target, as meson has them."""
    target = re.search(r'^ \* Target: (\w+), (\w+)$', text, re.M)
    if not target:
        return []
    return ['-DCOMPILING_PER_TARGET', '-I', TREE / 'target' / target[2],
            f'-DCONFIG_TARGET="{target[1]}-softmmu-config-target.h"',
            f'-DCONFIG_DEVICES="{target[1]}-softmmu-config-devices.h"']


def compile_fuzzer(source):
    """Build a fuzzer; returns the program."""
    program = BUILD / 'fuzz' / source.stem
    program.parent.mkdir(parents=True, exist_ok=True)
    packages = shlex.split(subprocess.check_output(
        ['pkg-config', '--cflags', '--libs', *LIBRARIES.split()], text=True))
    text = source.read_text()
    sources = ' '.join(re.findall(r'^ \* Sources: (.*)$', text, re.M)).split()
    folders = [TREE, TREE / 'include', OUT, OUT / 'qapi']
    objects = [*(OUT / 'libqom.a.p').glob('*.o'),
               *(OUT / 'libevent-loop-base.a.p').glob('*.o')]
    done = subprocess.run(
        ['clang', *FLAGS.split(), *SANITIZERS.split(), '-o', program, source,
         *(TREE / path for path in sources), *target_flags(text),
         *(word for folder in folders for word in ('-iquote', folder)),
         '-I', OUT, '-isystem', TREE / 'linux-headers',
         '-isystem', OUT / 'linux-headers',
         *objects, OUT / 'libqemuutil.a', *packages, '-lm', '-pthread'],
        text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    return program


@pytest.mark.parametrize('name',
                         sorted(path.stem for path in HERE.glob('fuzz-*.c')))
def test_fuzz(name):
    """No crash, no leak, and no state that the model does not have."""
    logs = LOGS / name
    corpus = BUILD / 'fuzz' / f'{name}.corpus'
    logs.mkdir(parents=True, exist_ok=True)
    corpus.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [compile_fuzzer(HERE / f'{name}.c'), f'-runs={RUNS}', '-seed=1',
         f'-artifact_prefix={logs}/', '-use_value_profile=1',
         '-print_final_stats=1', corpus],
        text=True, errors='replace', capture_output=True, check=False)
    (logs / 'log').write_text(done.stdout + done.stderr)
    assert done.returncode == 0, done.stderr[-4000:]
    units = re.search(r'number_of_executed_units: (\d+)', done.stderr)
    assert units and int(units[1]) >= RUNS
