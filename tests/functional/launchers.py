# SPDX-License-Identifier: GPL-2.0-or-later
"""Command lines of guests as programs that others wrote give them to QEMU.

Which arguments there are, their order and their spelling are what those
programs use; files, names and addresses are a test's own.  {...} are such:

    memory    MiB                   firmware   for -bios
    kernel, initrd, append          disk       a raw image
    monitor, console, qmp, pid      sockets and a file, not there yet
    vhostfd   a descriptor of /dev/vhost-vsock, which goes without its device
              where this machine has none
"""
import dataclasses
import re
import shlex
import typing

# Their own are larger, and boot no better for it.
MEMORY = 1024
UUID = '6f0e7d32-6a24-4bb2-8a5e-39a2f18a8ef3'


@dataclasses.dataclass
class Line:
    """A command line, and what is particular to it."""

    text: str
    # Where the guest's kernel and programs talk: else the standard output
    port: str = 'ttyS0'
    # What the kernel says of itself
    kind: str = 'AMD SEV SEV-ES SEV-SNP'
    # The guest's device of {disk}
    disk: str = 'sda'
    modules: tuple = ('virtio_scsi', 'sd_mod')
    vcpus: int = 1
    # QEMU's message, where it does not start
    refused: typing.Optional[str] = None

    def words(self, accel='kvm', **values):
        """The arguments, with another accelerator than KVM if need be."""
        text = ' '.join(self.text.split())
        if accel != 'kvm':
            text = text.replace('-enable-kvm', f'-accel {accel}')
            text = text.replace('accel=kvm', f'accel={accel}')
        if values.get('vhostfd') is None:
            text = re.sub(r'-device vhost-vsock\S+ ', '', text)
        # The kernel's command line is one word, with spaces in it.
        return [word.format_map({'memory': MEMORY, **values})
                for word in shlex.split(text)]


# launch-qemu.sh of AMDSEV: what all of its guests have, before and after
AMDSEV_DISK = '''
    -drive file={disk},if=none,id=disk0,format=raw
    -device virtio-scsi-pci,id=scsi0,disable-legacy=on,iommu_platform=true
    -device scsi-hd,drive=disk0'''
AMDSEV_NETWORK = '''
    -netdev user,id=vmnic
    -device virtio-net-pci,disable-legacy=on,iommu_platform=true,netdev=vmnic,romfile='''
AMDSEV_END = '''
    -kernel {kernel} -append "{append}" -initrd {initrd} -nographic
    -monitor pty -monitor unix:{monitor},server,nowait'''
AMDSEV_SIZE = '''-machine q35 -smp 2,maxcpus=255
    -m {memory}M,slots=5,maxmem=9216M -no-reboot'''

# kata's runtime, which has virtio for everything and a console by it
KATA = f'''
    -name sandbox-1,debug-threads=on -uuid {UUID}
    -machine q35,accel=kvm,kernel_irqchip=split,confidential-guest-support=snp
    -cpu EPYC-v4,pmu=off -qmp unix:{{qmp}},server=on,wait=off
    -m {{memory}}M,slots=1,maxmem=5052M
    -device pci-bridge,bus=pcie.0,id=pci-bridge-0,chassis_nr=1,shpc=off,addr=2,io-reserve=4k,mem-reserve=1m,pref64-reserve=1m
    -device virtio-serial-pci,disable-modern=false,id=serial0
    -device virtconsole,chardev=charconsole0,id=console0
    -chardev socket,id=charconsole0,path={{console}},server=on,wait=off
    -device virtio-blk-pci,disable-modern=false,drive=image-1,config-wce=off,share-rw=on,serial=image-1
    -drive id=image-1,file={{disk}},aio=threads,format=raw,if=none,readonly=on
    -device virtio-scsi-pci,id=scsi0,disable-modern=false
    -object sev-snp-guest,id=snp,cbitpos=51,reduced-phys-bits=1,kernel-hashes=on,policy=196608
    -object rng-random,id=rng0,filename=/dev/urandom
    -device virtio-rng-pci,rng=rng0
    -device vhost-vsock-pci,disable-modern=false,vhostfd={{vhostfd}},id=vsock-1,guest-cid=4711
    -rtc base=utc,driftfix=slew,clock=host -global kvm-pit.lost_tick_policy=discard
    -vga none -no-user-config -nodefaults -nographic --no-reboot
    -object memory-backend-ram,id=dimm1,size={{memory}}M -numa node,memdev=dimm1
    -kernel {{kernel}} -initrd {{initrd}} -append "{{append}} tsc=reliable no_timer_check console=hvc0 console=hvc1 cryptomgr.notests net.ifnames=0"
    -bios {{firmware}} -pidfile {{pid}} -smp 1,cores=1,threads=1,sockets=2,maxcpus=2'''

LINES = {
    # Of 2024, with guest_memfd: any memfd will do
    'amdsev-snp': Line(f'''
        -enable-kvm -cpu EPYC-v4 {AMDSEV_SIZE} -bios {{firmware}}
        {AMDSEV_NETWORK} {AMDSEV_DISK}
        -machine memory-encryption=sev0,vmport=off
        -object memory-backend-memfd,id=ram1,size={{memory}}M,share=true,prealloc=false
        -machine memory-backend=ram1
        -object sev-snp-guest,id=sev0,policy=0x30000,cbitpos=51,reduced-phys-bits=1
        {AMDSEV_END}''', vcpus=2),
    # Of 2022 and 2023, with AMD's own backend
    'amdsev-upm': Line(f'''
        -enable-kvm -cpu EPYC-v4 {AMDSEV_SIZE} -bios {{firmware}}
        {AMDSEV_DISK}
        -machine memory-encryption=sev0,vmport=off
        -object memory-backend-memfd-private,id=ram1,size={{memory}}M,share=true
        -object sev-snp-guest,id=sev0,policy=0x30000,cbitpos=51,reduced-phys-bits=1,init-flags=0,discard=none
        -machine memory-backend=ram1,kvm-type=protected
        {AMDSEV_END}''', vcpus=2),
    # Firmware as flash, which SEV-SNP never had room for
    'amdsev-upm-flash': Line(f'''
        -enable-kvm -cpu EPYC-v4 {AMDSEV_SIZE}
        -drive if=pflash,format=raw,unit=0,file={{firmware}},readonly
        {AMDSEV_DISK}
        -machine memory-encryption=sev0,vmport=off
        -object memory-backend-memfd-private,id=ram1,size={{memory}}M,share=true
        -object sev-snp-guest,id=sev0,cbitpos=51,reduced-phys-bits=1,discard=none
        -machine memory-backend=ram1,kvm-type=protected
        {AMDSEV_END}''', refused='A flash device has no private memory'),
    # Older still: SEV-SNP as an option of SEV, of a tree that nobody has
    'amdsev-snp-yes': Line(f'''
        -enable-kvm -cpu EPYC {AMDSEV_SIZE} -bios {{firmware}} {AMDSEV_DISK}
        -object sev-guest,id=sev0,policy=0x30000,cbitpos=51,reduced-phys-bits=1,snp=yes
        -machine memory-encryption=sev0,vmport=off
        {AMDSEV_END}''', refused="Invalid parameter 'snp'"),
    'amdsev-es': Line(f'''
        -enable-kvm -cpu EPYC-v4 {AMDSEV_SIZE} -bios {{firmware}}
        {AMDSEV_NETWORK} {AMDSEV_DISK}
        -machine memory-encryption=sev0,vmport=off
        -object sev-guest,id=sev0,policy=0x5,cbitpos=51,reduced-phys-bits=1
        {AMDSEV_END}''', kind='AMD SEV SEV-ES', vcpus=2),
    'kata-snp': Line(KATA, port='hvc0', disk='vda',
                     modules=('virtio_blk', 'virtio-rng')),
    # Since 2025 it says how many bits a physical address has.
    'kata-snp-phys-bits': Line(KATA.replace('pmu=off', 'pmu=off,phys-bits=48'),
                               port='hvc0', disk='vda',
                               modules=('virtio_blk', 'virtio-rng')),
}
