# SPDX-License-Identifier: GPL-2.0-or-later
"""An emulated machine that runs shell commands on this one's files.

It boots a kernel with a small initramfs, finds this machine's files by 9p,
read-only, at the same paths, and takes commands by its second serial port, one
word each: the name of a script in $LAB, a folder for results that it can write
to.  The lab (tests/lab/lab.py) and the emulated SNP host (tests/host/l1.py)
are such machines.
"""
import contextlib
import os
import pathlib
import select
import socket
import subprocess
import tempfile
import time

from linux_guest import BUILD, LIMIT, LOGS, QEMU, TOP, cpio
from patience import LOOK, Patience

BUSYBOX = BUILD / 'kernel/busybox'
# Where scripts/fetch keeps what it has fetched
CACHE = pathlib.Path(os.environ.get('XDG_CACHE_HOME') or
                     pathlib.Path.home() / '.cache') / 'qemu-upm'
BOOT_LIMIT = OFF_LIMIT = LIMIT

# /tmp is the machine's own, but what it needs of this machine's stays where it
# is: the sources, the build folder, and what that has links into.
INIT = r'''#!/bin/busybox sh
/bin/busybox --install /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev 2>/dev/null
mkdir -p /dev/shm /dev/pts /h /tmp
stty -F /dev/ttyS1 raw -echo
exec 5<>/dev/ttyS1
echo "stage kernel $(cut -d ' ' -f 1 /proc/uptime)" >&5
[ -s /modules ] && modprobe -a $(cat /modules)
echo "stage modules" >&5
mount -t tmpfs shm /dev/shm
mount -t devpts -o ptmxmode=666 pts /dev/pts 2>/dev/null
LAB=$(cat /lab)
options=trans=virtio,version=9p2000.L,msize=262144
mount -t 9p -o $options,cache=loose,ro host /h
mount --bind /h/tmp /tmp
mount -t tmpfs -o mode=1777 tmp /h/tmp
for path in $(cat /kept); do
    mkdir -p "/h$path"
    mount --bind "$path" "/h$path"
done
umount /tmp
mkdir -p "/h$LAB" 2>/dev/null
mount -t 9p -o $options,cache=none work "/h$LAB"
mount -t tmpfs run /h/run
mkdir /h/run/init
mount --bind / /h/run/init
mount --bind /dev /h/dev
mount --bind /dev/shm /h/dev/shm
mount --bind /dev/pts /h/dev/pts 2>/dev/null
mount --bind /sys /h/sys
mount -t proc proc /h/proc
export LAB TMPDIR=/tmp HOME=/tmp UPM_BUILD=$(cat /build)
tools=/run/init/usr
export PATH=$tools:/usr/sbin:/usr/bin:/sbin:/bin:/run/init/bin
echo "ready $(uname -r)" >&5
if [ -f /login ]; then
    setsid chroot /h /bin/sh /run/init/login </dev/ttyS0 >/dev/ttyS0 2>&1
    /bin/poweroff -f
fi
while read -r name <&5; do
    [ "$name" = off ] && break
    chroot /h /bin/sh "$LAB/$name.sh" </dev/null >"/h$LAB/$name.out" 2>&1
    echo "$name $?" >&5
done
/bin/poweroff -f
'''

# The programs of this machine look for modules, and for an init to talk to,
# where a chroot has none.
TOOLS = {
    'modprobe': 'exec /run/init/bin/chroot /run/init /bin/modprobe "$@"',
    'rmmod': 'exec /run/init/bin/rmmod "$@"',
    'poweroff': 'exec /run/init/bin/poweroff -f',
    'reboot': 'exec /run/init/bin/reboot -f',
}


class MachineError(Exception):
    """The machine did not do what it should."""


class ShellMachine:
    """The machine, from its start to close().

    A class of its own says in start() how it is booted.
    """

    name = 'machine'
    boot_limit = BOOT_LIMIT

    def __init__(self, folder_name, logs=LOGS, login=None):
        """login is a shell script for the console, instead of commands."""
        if not os.access(QEMU, os.X_OK):
            raise MachineError(f'{QEMU} is not built: make all')
        logs.mkdir(parents=True, exist_ok=True)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f'{folder_name}-',
                                                    dir=logs.resolve()))
        self.login = login
        self.count = 0
        self.buffer = b''
        self.stages = []
        self.started = time.monotonic()
        self.port, theirs = socket.socketpair()
        with theirs:
            self.process = self.launch(theirs)
        try:
            self.release = self.wait_ready()
        except BaseException:
            self.close()
            raise
        # QEMU has read it, and tests leave many logs.
        (self.folder / 'initramfs').unlink()
        self.boot_seconds = time.monotonic() - self.started

    def arguments(self):
        """QEMU's arguments: accelerator, machine, processor and memory."""
        raise NotImplementedError

    def kernel(self):
        """The kernel's image and its command line."""
        raise NotImplementedError

    def modules(self):
        """(name, content, names of those it needs) of the kernel's modules,
        and the names of those to load, in this order.
        """
        return [], []

    def initramfs(self):
        """Write the archive that INIT is in."""
        modules, loaded = self.modules()
        kept = [str(path.resolve()) for path in (TOP, BUILD, CACHE)]
        entries = [(name, 0o40755, b'') for name in
                   ('bin', 'dev', 'proc', 'sys', 'usr', 'lib', 'lib/modules')]
        entries += [
            ('bin/busybox', 0o100755, BUSYBOX.read_bytes()),
            ('lab', 0o100644, str(self.folder).encode()),
            ('build', 0o100644, str(BUILD.resolve()).encode()),
            ('kept', 0o100644, '\n'.join(
                path for path in kept if path.startswith('/tmp/')).encode()),
            ('modules', 0o100644, '\n'.join(loaded).encode()),
            ('init', 0o100755, INIT.encode())]
        entries += [(f'usr/{name}', 0o100755, f'#!/bin/sh\n{text}\n'.encode())
                    for name, text in TOOLS.items()]
        if self.login:
            entries.append(('login', 0o100755, self.login.encode()))
        if modules:
            entries += self.module_entries(modules)
        path = self.folder / 'initramfs'
        path.write_bytes(cpio(entries))
        return path

    def module_entries(self, modules):
        """Modules, and which of them needs which, as modprobe wants it."""
        folder = f'lib/modules/{self.kernel_release()}'
        lines = [f'{name}.ko:' + ''.join(f' {other}.ko' for other in needs)
                 for name, _, needs in modules]
        return [(folder, 0o40755, b''),
                (f'{folder}/modules.dep', 0o100644,
                 ''.join(line + '\n' for line in lines).encode()),
                *((f'{folder}/{name}.ko', 0o100644, content)
                  for name, content, _ in modules)]

    def kernel_release(self):
        """What uname -r will say, for a kernel that has modules."""
        raise NotImplementedError

    def launch(self, port):
        """Start QEMU, our own, with a kernel that commands come to."""
        image, words = self.kernel()
        initramfs = self.initramfs()
        self.stage('initramfs')
        shares = []
        for tag, path, more in (('host', '/', ',readonly=on'),
                                ('work', self.folder, '')):
            shares += ['-virtfs', f'local,path={path},mount_tag={tag},'
                       f'security_model=none,multidevs=remap{more}']
        console = 'mon:stdio' if self.login else \
            f'file:{self.folder}/console.log'
        with (self.folder / 'qemu.log').open('w') as messages:
            return subprocess.Popen(
                [QEMU, *self.arguments(), '-nodefaults', '-display', 'none',
                 '-no-reboot', '-kernel', image, '-initrd', initramfs,
                 '-append', words, '-serial', console,
                 '-chardev', f'socket,id=port,fd={port.fileno()}',
                 '-serial', 'chardev:port', *shares],
                stdin=None if self.login else subprocess.DEVNULL,
                pass_fds=[port.fileno()],
                stdout=None if self.login else subprocess.DEVNULL,
                stderr=messages)

    def stage(self, name, now=None):
        """Note the end of a stage."""
        self.stages.append((name, (now or time.monotonic()) - self.started))

    def times(self):
        """(stage, seconds it took) of the boot."""
        last = 0
        for name, seconds in self.stages:
            yield name, seconds - last
            last = seconds

    def wait_ready(self):
        """Follow the boot to its end; the kernel's release."""
        while True:
            verb, *words = self.read_line(self.boot_limit, 'boot').split(' ')
            if verb == 'stage' and len(words) > 1:
                # by the kernel's own clock it began so much earlier
                self.stage('firmware', time.monotonic() - float(words[1]))
            self.stage(words[0] if verb == 'stage' else 'files')
            if verb == 'ready':
                return words[0]

    def ended(self, what):
        """What to say of a machine that is gone."""
        said = (self.folder / 'qemu.log').read_text(errors='replace')
        return MachineError(f'{what}: {self.name} ended, see {self.folder}\n'
                            + said[-1000:] + self.console()[-1000:])

    def read_line(self, limit, what, meanwhile=None):
        """Return the next line of the command port."""
        patience = Patience(limit, self.process.pid)
        while b'\n' not in self.buffer:
            if patience.over():
                raise MachineError(f'{what}: no end after {limit} s, see '
                                   f'{self.folder}')
            if meanwhile:
                meanwhile()
            if not select.select([self.port], [], [], 0.2)[0]:
                continue
            found = self.port.recv(4096)
            if not found:
                raise self.ended(what)
            self.buffer += found
        line, _, self.buffer = self.buffer.partition(b'\n')
        return line.decode(errors='replace').strip()

    def console(self):
        """What the machine's kernel has said."""
        log = self.folder / 'console.log'
        return log.read_text(errors='replace') if log.exists() else ''

    def run(self, command, limit=LIMIT, stream=None):
        """Run a shell command; its exit status and its output.

        A machine whose command goes beyond its limit is closed.  With a
        stream the output is copied there as it comes.
        """
        self.count += 1
        name = f'{self.count:02d}'
        (self.folder / f'{name}.sh').write_text(command + '\n')
        self.port.sendall(name.encode() + b'\n')
        copied = 0

        def copy():
            nonlocal copied
            data = self.output_bytes(name)[copied:]
            copied += len(data)
            stream.write(data.decode(errors='replace'))
            stream.flush()

        try:
            line = self.read_line(limit, command, stream and copy)
        except MachineError as error:
            self.close()
            raise type(error)(f'{error}\n{self.output(name)[-2000:]}') \
                from None
        except BaseException:
            # Who goes on would take this command's answer for another one's.
            self.close()
            raise
        if stream:
            copy()
        answered, _, status = line.partition(' ')
        if answered != name:
            self.close()
            raise MachineError(f'{command}: {self.name} answers {line}')
        return int(status), self.output(name)

    def output_bytes(self, name):
        """What a command has printed so far."""
        path = self.folder / f'{name}.out'
        return path.read_bytes() if path.exists() else b''

    def output(self, name):
        """The same as text."""
        return self.output_bytes(name).decode(errors='replace')

    @property
    def alive(self):
        """Can it take another command?"""
        return self.process.poll() is None

    def power_off(self, limit=OFF_LIMIT):
        """Switch the machine off as its kernel does; QEMU's exit status."""
        self.port.sendall(b'off\n')
        patience = Patience(limit, self.process.pid)
        try:
            while not patience.over():
                with contextlib.suppress(subprocess.TimeoutExpired):
                    return self.process.wait(LOOK)
            raise MachineError(f'{self.name} does not power off, see '
                               f'{self.folder}')
        finally:
            self.close()

    def close(self):
        """End the machine."""
        self.port.close()
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
