# SPDX-License-Identifier: GPL-2.0-or-later
#
# The two commands are "make demo" and "make check"; "make help" has the rest.

PREFIX ?= /usr/local

# The version of QEMU that is built: the first one of patches/series, another
# one of those, or that of an unpacked SOURCE, which is only read.  Another one
# than the first has a folder of its own, such as build/10.2, and takes 2 GB.
# The names SOURCE and SUITE are common, so the environment's are not meant.
ifneq ($(origin SOURCE),command line)
SOURCE :=
endif
ifneq ($(origin SUITE),command line)
SUITE :=
endif
USUAL := $(word 2,$(shell grep '^supported ' patches/series))
BASE := $(if $(SOURCE),$(shell \
	cut -d. -f1,2 '$(SOURCE)/VERSION' 2>/dev/null),$(USUAL))
ifeq ($(BASE),)
$(error SOURCE=$(SOURCE) is no source of QEMU: it has no file VERSION)
endif
PRISTINE := $(if $(SOURCE),realpath -e '$(SOURCE)',scripts/fetch source $(BASE))

ROOM := $(or $(UPM_BUILD),$(CURDIR)/build)
BUILD := $(or $(UPM_BUILD),$(ROOM)$(addprefix /,\
	$(filter-out $(USUAL),$(BASE))))
ifneq ($(BASE),$(USUAL))
export UPM_BUILD := $(BUILD)
endif
TREE := $(BUILD)/qemu
PLAIN := $(BUILD)/plain
OUT := $(TREE)/build
# The tests that come with us are targets of QEMU's own build.
TESTS := $(patsubst %.c,%,$(wildcard tests/unit/test-*.c tests/qtest/*-test.c))
# What of QEMU's has to build and to pass with ours in it
QEMUS := storage-daemon/qemu-storage-daemon tests/qtest/qmp-cmd-test \
	tests/qtest/test-hmp tests/qtest/device-introspect-test \
	tests/qtest/machine-none-test

help:
	@echo 'make demo             boot Linux as an SEV-SNP guest, on any machine'
	@echo 'make check            build everything and test it'
	@echo 'make check-full       more kernels, firmware and guests, at length'
	@echo 'make all              build QEMU: build/qemu-system-x86_64'
	@echo "make host             an SNP host (L1) for KVM's guests, emulated: login"
	@echo "make host RUN='...'   the same for one command"
	@echo 'make demo-host        boot Linux there as an SNP guest (L2)'
	@echo 'make check-host       test the host, at length'
	@echo 'make lab              KVM in an emulated machine: build a kernel, test'
	@echo 'make fuzz             libFuzzer on what a guest or a file can say'
	@echo 'make bench            measure, see build/bench.jsonl'
	@echo 'make docs             the manual: build/docs/index.html'
	@echo 'make check-patches    try the patches on each QEMU that apt offers'
	@echo 'make check-versions   build each of these, test it, boot Linux'
	@echo 'make ... BASE=10.2    the same with another supported QEMU'
	@echo 'make ... SOURCE=DIR   the same with the unpacked source in DIR'
	@echo 'make install          into PREFIX ($(PREFIX)), below DESTDIR'
	@echo 'make deb              a Debian package for this release: build/deb'
	@echo 'make check-deb        install that in a Debian of its own, test it'
	@echo 'make ... SUITE=trixie the same two for, and in, another Debian'
	@echo 'make clean            remove build/; downloads and ccache stay'

setup:
	@scripts/setup $(PACKAGES)

source: setup
	@pristine=$$($(PRISTINE)) && \
		scripts/lay-over $(if $(SOURCE),-t) "$$pristine" $(TREE)

all: source
	@scripts/build $(TREE) qemu-system-x86_64 qemu-img $(ALSO)
	@scripts/equip $(TREE)
	@ln -sfn qemu/build/qemu-system-x86_64 $(BUILD)/qemu-system-x86_64

demo: all
	@echo '==> booting an SNP guest' >&2
	@scripts/demo

check: export ALSO := $(TESTS) $(QEMUS)
PYTEST := /usr/bin/python3 -B -m pytest -p no:cacheprovider -q

# Files of tests run side by side, so what they share is built before them.
# Without its kernel the lab's tests are skipped, and say why.
check: plain
	@$(MAKE) --no-print-directory all
	@scripts/check-style $(TREE)
	@scripts/check-hooks $(TREE)
	@mkdir -p $(BUILD)/logs
	@scripts/lab-kernel 2>&1 >/dev/null | \
		tee $(BUILD)/logs/lab-kernel.log >&2
	@$(MAKE) -s -C tests/guest out=$(BUILD)/guest
	@$(MAKE) -s -C tests/host/metal out=$(BUILD)/metal
	@$(MAKE) -s -C tests/lab/guest out=$(BUILD)/lab
	@echo '==> running the tests, logs go to build/logs' >&2
	@$(PYTEST) -n auto --maxprocesses=4 --dist loadfile \
		--continue-on-collection-errors -m 'not at_length' \
		tests/host tests/lab tests/functional tests/libvirt tests/guest \
		tests/unit tests/qtest $(PYTEST_ARGS)

# What of the guests takes longer, or is fetched for it alone; one at a time,
# since some of them have as many vCPUs as this machine has and more.
check-full: export PACKAGES += fakeroot e2fsprogs
check-full: all
	@$(PYTEST) -m at_length tests/functional tests/libvirt $(PYTEST_ARGS)

# Unit tests, qtests, and small guests that boot and end
unit: export ALSO := $(TESTS)
unit: all
	@$(MAKE) -s -C tests/guest out=$(BUILD)/guest
	@$(PYTEST) tests/unit tests/qtest $(PYTEST_ARGS)
	@$(PYTEST) tests/guest/test_guest.py -k 'hello or terminate'

# All versions that apt offers, or SOURCE, are built and tried, with the above
# and a boot of Linux as an SNP guest, before a failure counts.
check-versions: setup
	@UPM_BUILD='$(ROOM)' scripts/check-patches --build $(if $(SOURCE),'$(SOURCE)')

# Private memory on a real KVM, in an emulated machine.  The first time its
# kernel is built, which takes some ten minutes of CPU time.
check-host check lab bench: export PACKAGES += bc cpio libelf-dev libssl-dev rsync
lab: plain all
	@scripts/lab-kernel >/dev/null
	@$(PYTEST) tests/lab $(PYTEST_ARGS)

# An SEV-SNP host, emulated, with an unmodified kernel of Debian: a login, or
# one command, which may have a $ in it.  HOST_ARGS is for scripts/host, whose
# --help has more.
host: override export RUN := $(value RUN)
host: all
	@scripts/host $(HOST_ARGS) -- "$$RUN"

demo-host: all
	@scripts/demo-host

# What takes longer than "make check" may.
check-host: plain all
	@scripts/lab-kernel -s >/dev/null
	@$(MAKE) -s -C tests/guest out=$(BUILD)/guest
	@$(MAKE) -s -C tests/host/metal out=$(BUILD)/metal
	@$(PYTEST) tests/host $(PYTEST_ARGS)

# A million inputs for each fuzzer, or FUZZ_RUNS of them, and a guest by chance
# for 5,000 inputs; that takes too long, and clang too much room, for every
# check.
fuzz: export PACKAGES := clang libclang-rt-dev
fuzz: export ALSO := libqemuutil.a
fuzz: all
	@$(PYTEST) tests/fuzz $(PYTEST_ARGS)

# QEMU as Debian has it, of the same version and with the same options, and
# with one object that lets the lab run it.
plain: setup
	@pristine=$$($(PRISTINE)) && \
		scripts/lay-over -n $(if $(SOURCE),-t) "$$pristine" $(PLAIN)
	@scripts/build $(PLAIN) qemu-system-x86_64
	@scripts/equip $(PLAIN)

bench: export ALSO := tests/unit/test-upm-random
bench: plain
	@$(MAKE) --no-print-directory all
	@scripts/lab-kernel >/dev/null
	@$(MAKE) -s -C tests/guest out=$(BUILD)/guest
	@bench/run $(BENCH_ARGS)

# QEMU's manual with ours in it, made as QEMU's own build makes it.
check docs: export PACKAGES += python3-sphinx python3-sphinx-rtd-theme
# What libvirt's own packages need, which the tests only unpack
check check-full: export PACKAGES += libjson-c5 libvirt-clients \
	libxml2-utils procps
# A TPM for guests
check: export PACKAGES += swtpm
# What calls functions of a QEMU that runs
check: export PACKAGES += gdb
# What the programs for operators draw with
check: export PACKAGES += python3-matplotlib python3-rich
docs: source
	@CONFDIR=/etc/qemu /usr/bin/python3 -B -m sphinx -q -j auto -b html \
		-Dversion=$$(cat $(TREE)/VERSION) -Drelease= \
		-d $(BUILD)/docs.cache $(TREE)/docs $(BUILD)/docs
	@echo 'the manual is in $(BUILD)/docs/index.html'

check-patches: setup
	@scripts/check-patches $(if $(SOURCE),'$(SOURCE)')

# What tests of an installed QEMU look with
check: export PACKAGES += bash-completion man-db
check install: export PACKAGES += help2man
install: all
	@install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/qemu/keymaps
	install -m 755 $(OUT)/qemu-system-x86_64 $(OUT)/qemu-img \
		$(DESTDIR)$(PREFIX)/bin
	ln -sfn qemu-system-x86_64 \
		$(DESTDIR)$(PREFIX)/bin/qemu-system-x86_64-snp-emulated
	install -m 644 $(BUILD)/firmware/* $(DESTDIR)$(PREFIX)/share/qemu
	install -m 644 $(filter-out %/meson.build,\
		$(wildcard $(TREE)/pc-bios/keymaps/*)) \
		$(DESTDIR)$(PREFIX)/share/qemu/keymaps
	scripts/install-tools $(TREE) $(DESTDIR)$(PREFIX)

# A package of our own name, which replaces nothing.
deb check-deb: export PACKAGES += debhelper dh-python help2man lintian \
	pkg-config python3-sphinx python3-sphinx-rtd-theme
deb: setup
	@scripts/deb build $(BASE) $(SUITE)

# As root: the package goes into a debootstrap of this release, or of SUITE, and
# is built in one where that is not what runs here.
deb check-deb: export PACKAGES += $(if $(SUITE),debootstrap)
check-deb: export PACKAGES += debootstrap
check-deb: export UPM_SUITE := $(SUITE)
check-deb: source deb
	@scripts/equip $(TREE)
	@mkdir -p $(BUILD)/logs
	@$(PYTEST) tests/deb $(PYTEST_ARGS)

clean:
	rm -rf $(BUILD)

.PHONY: help setup source all demo check check-full docs lab host demo-host \
	check-host fuzz plain bench unit check-patches check-versions install \
	deb check-deb clean
