/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The AMD-SP of an emulated SEV-SNP host, at the level of its registers
 *
 * What the commands do has unit tests, test-psp-host and test-psp-sev.
 */
#include "qemu/osdep.h"
#include <glib/gstdio.h>
#include "libqtest.h"
#include "hw/pci/pci_regs.h"
#include "libqos/pci-pc.h"
#include "qemu/bitops.h"
#include "qemu/cutils.h"
#include "qemu/units.h"
#include "qobject/qdict.h"
#include "target/i386/psp/mailbox.h"

#define HOST    "-machine q35,snp-host=on -cpu EPYC-Milan -m 256M -nodefaults"\
                " -global amd-psp.cert-dir=%s"
#define BUFFER  0x100000
#define BAR     2

#define PLATFORM_STATUS     0x04
#define GET_ID              0x0c
#define ID_SIZE             64
#define INVALID_COMMAND     0x11
#define INVALID_ADDRESS     0x09

static char *chip_dir;

typedef struct Psp {
    QTestState *qts;
    QPCIBus *bus;
    QPCIDevice *pci;
    QPCIBar bar;
} Psp;

static void found(QPCIDevice *pci, int devfn, void *data)
{
    *(QPCIDevice **)data = pci;
}

static Psp start_with(const char *folder)
{
    Psp psp = { .qts = qtest_initf("-accel tcg -S " HOST, folder) };

    psp.bus = qpci_new_pc(psp.qts, NULL);
    qpci_device_foreach(psp.bus, 0x1022, 0x14ca, found, &psp.pci);
    g_assert_nonnull(psp.pci);
    qpci_device_enable(psp.pci);
    psp.bar = qpci_iomap(psp.pci, BAR, NULL);
    return psp;
}

static Psp start(void)
{
    return start_with(chip_dir);
}

/* Its registers are where they were. */
static void reset(Psp *psp)
{
    qtest_system_reset(psp->qts);
    qpci_device_enable(psp->pci);
    qpci_config_writel(psp->pci, PCI_BASE_ADDRESS_0 + 4 * BAR, psp->bar.addr);
    qpci_config_writel(psp->pci, PCI_BASE_ADDRESS_0 + 4 * BAR + 4,
                       psp->bar.addr >> 32);
}

static void stop(Psp *psp)
{
    g_free(psp->pci);
    qpci_free_pc(psp->bus);
    qtest_quit(psp->qts);
}

static uint32_t get(Psp *psp, uint64_t offset)
{
    return qpci_io_readl(psp->pci, psp->bar, offset);
}

static void set(Psp *psp, uint64_t offset, uint32_t value)
{
    qpci_io_writel(psp->pci, psp->bar, offset, value);
}

static unsigned run(Psp *psp, unsigned command, uint64_t buffer, bool ioc)
{
    uint32_t reply;

    set(psp, PSP_REG_BUFFER_LOW, buffer);
    set(psp, PSP_REG_BUFFER_HIGH, buffer >> 32);
    set(psp, PSP_REG_COMMAND, command << PSP_COMMAND_SHIFT | ioc);
    reply = get(psp, PSP_REG_COMMAND);
    g_assert_true(reply & PSP_COMMAND_DONE);
    g_assert_cmphex(reply & ~PSP_COMMAND_DONE & ~0xffffU, ==, 0);
    return reply & 0xffff;
}

/* A command that the firmware has to make its chip for takes seconds. */
static uint32_t wait_until_done(Psp *psp)
{
    uint32_t reply = get(psp, PSP_REG_COMMAND);

    for (unsigned i = 0; i < 12000 && !(reply & PSP_COMMAND_DONE); i++) {
        g_usleep(10 * 1000);
        reply = get(psp, PSP_REG_COMMAND);
    }
    g_assert_true(reply & PSP_COMMAND_DONE);
    return reply & 0xffff;
}

static void ask_for_id(Psp *psp)
{
    qtest_memset(psp->qts, BUFFER, 0, 0x2000);
    qtest_writeq(psp->qts, BUFFER, BUFFER + 0x1000);
    qtest_writel(psp->qts, BUFFER + 8, ID_SIZE);
    set(psp, PSP_REG_BUFFER_LOW, BUFFER);
    set(psp, PSP_REG_BUFFER_HIGH, 0);
    set(psp, PSP_REG_COMMAND, GET_ID << PSP_COMMAND_SHIFT);
}

/* The keys of a new chip: the write returns at once, and all else is served. */
static void test_new_chip(void)
{
    Psp psp = start();
    uint8_t id[ID_SIZE], again[ID_SIZE];

    ask_for_id(&psp);
    g_assert_cmphex(get(&psp, PSP_REG_COMMAND), ==,
                    GET_ID << PSP_COMMAND_SHIFT);
    /* One at a time */
    set(&psp, PSP_REG_COMMAND, PLATFORM_STATUS << PSP_COMMAND_SHIFT);
    g_assert_cmphex(get(&psp, PSP_REG_COMMAND), ==,
                    GET_ID << PSP_COMMAND_SHIFT);
    g_assert_cmphex(qtest_readb(psp.qts, BUFFER + 0x1000), ==, 0);

    /* Who comes after a reset does not wait for what was asked for before it */
    reset(&psp);
    g_assert_cmphex(run(&psp, 0, BUFFER, false), ==, INVALID_COMMAND);
    g_assert_cmphex(run(&psp, PLATFORM_STATUS, BUFFER, false), ==, 0);
    ask_for_id(&psp);
    g_assert_cmphex(get(&psp, PSP_REG_COMMAND), ==,
                    GET_ID << PSP_COMMAND_SHIFT);
    g_assert_cmphex(wait_until_done(&psp), ==, 0);
    qtest_memread(psp.qts, BUFFER + 0x1000, id, sizeof(id));
    g_assert_false(buffer_is_zero(id, sizeof(id)));

    qtest_memset(psp.qts, BUFFER + 0x1000, 0, 0x1000);
    g_assert_cmphex(run(&psp, GET_ID, BUFFER, false), ==, 0);
    qtest_memread(psp.qts, BUFFER + 0x1000, again, sizeof(again));
    g_assert_cmpmem(id, sizeof(id), again, sizeof(again));
    stop(&psp);
}

/* Keys that cannot be made are an error, before a reset and after it. */
static void test_no_chip(void)
{
    g_autofree char *file = g_build_filename(chip_dir, "vcek.key", NULL);
    Psp psp = start_with(file);

    for (unsigned i = 0; i < 3; i++) {
        ask_for_id(&psp);
        g_assert_cmphex(wait_until_done(&psp), !=, 0);
        g_assert_cmphex(run(&psp, PLATFORM_STATUS, BUFFER, false), ==, 0);
        if (i) {
            reset(&psp);
        }
    }
    stop(&psp);
}

static void test_registers(void)
{
    Psp psp = start();

    g_assert_cmphex(qpci_config_readw(psp.pci, PCI_CLASS_DEVICE), ==, 0x1080);
    g_assert_cmphex(get(&psp, PSP_REG_FEATURES), ==, 1);
    g_assert_cmphex(get(&psp, PSP_REG_COMMAND), ==, 0);
    g_assert_cmphex(get(&psp, 0), ==, 0);
    g_assert_cmphex(get(&psp, 1 * MiB - 4), ==, 0);

    set(&psp, PSP_REG_BUFFER_LOW, 0x12345678);
    set(&psp, PSP_REG_BUFFER_HIGH, 0x9abcdef0);
    g_assert_cmphex(get(&psp, PSP_REG_BUFFER_LOW), ==, 0x12345678);
    g_assert_cmphex(get(&psp, PSP_REG_BUFFER_HIGH), ==, 0x9abcdef0);
    set(&psp, PSP_REG_FEATURES, 0);
    g_assert_cmphex(get(&psp, PSP_REG_FEATURES), ==, 1);

    /* It takes nothing less than 32 bits, and DONE is no command. */
    qpci_io_writeb(psp.pci, psp.bar, PSP_REG_COMMAND + 2, 4);
    qpci_io_writew(psp.pci, psp.bar, PSP_REG_COMMAND + 2, 4);
    set(&psp, PSP_REG_COMMAND, PSP_COMMAND_DONE | 4 << 16);
    g_assert_cmphex(get(&psp, PSP_REG_COMMAND), ==, 0);
    stop(&psp);
}

static void test_command(void)
{
    Psp psp = start();
    uint8_t status[12];

    qtest_memset(psp.qts, BUFFER, 0xee, 64);
    g_assert_cmphex(run(&psp, PLATFORM_STATUS, BUFFER, false), ==, 0);
    qtest_memread(psp.qts, BUFFER, status, sizeof(status));
    g_assert_cmpuint(status[0], ==, 1);
    g_assert_cmpuint(status[1], ==, 55);
    g_assert_cmpuint(status[2], ==, 0);
    g_assert_cmphex(qtest_readb(psp.qts, BUFFER + 12), ==, 0xee);
    g_assert_cmphex(run(&psp, 0, BUFFER, false), ==, INVALID_COMMAND);
    g_assert_cmphex(run(&psp, 0x7ff, BUFFER, false), ==, INVALID_COMMAND);
    stop(&psp);
}

/* Registers, flash memory, a hole, an address that no page has */
static void test_no_ram(void)
{
    Psp psp = start();
    const uint64_t nowhere[] = {
        psp.bar.addr, 0xfed80000, 0xfee00000, 0xfffff000, 0xfffffff8,
        256 * MiB - 4, 256 * MiB, 1ULL << 40, 1ULL << 52, UINT64_MAX,
        UINT64_MAX - 11,
    };

    for (size_t i = 0; i < ARRAY_SIZE(nowhere); i++) {
        g_test_message("0x%" PRIx64, nowhere[i]);
        g_assert_cmphex(run(&psp, PLATFORM_STATUS, nowhere[i], false), ==,
                        INVALID_ADDRESS);
    }
    stop(&psp);
}

static void test_interrupt(void)
{
    Psp psp = start();

    qpci_msix_enable(psp.pci);
    set(&psp, PSP_REG_P2CMSG_INTEN, UINT32_MAX);
    run(&psp, PLATFORM_STATUS, BUFFER, false);
    g_assert_cmphex(get(&psp, PSP_REG_P2CMSG_INTSTS), ==, 0);
    g_assert_false(qpci_msix_pending(psp.pci, 0));

    run(&psp, PLATFORM_STATUS, BUFFER, true);
    g_assert_cmphex(get(&psp, PSP_REG_P2CMSG_INTSTS), ==, PSP_INT_COMMAND);
    g_assert_true(qpci_msix_pending(psp.pci, 0));
    set(&psp, PSP_REG_P2CMSG_INTSTS, ~PSP_INT_COMMAND);
    g_assert_cmphex(get(&psp, PSP_REG_P2CMSG_INTSTS), ==, PSP_INT_COMMAND);
    set(&psp, PSP_REG_P2CMSG_INTSTS, UINT32_MAX);
    g_assert_cmphex(get(&psp, PSP_REG_P2CMSG_INTSTS), ==, 0);
    qpci_msix_disable(psp.pci);
    stop(&psp);
}

static void test_reset(void)
{
    Psp psp = start();

    set(&psp, PSP_REG_P2CMSG_INTEN, UINT32_MAX);
    run(&psp, PLATFORM_STATUS, BUFFER, true);
    reset(&psp);
    g_assert_cmphex(get(&psp, PSP_REG_FEATURES), ==, 1);
    g_assert_cmphex(get(&psp, PSP_REG_COMMAND), ==, 0);
    g_assert_cmphex(get(&psp, PSP_REG_BUFFER_LOW), ==, 0);
    g_assert_cmphex(get(&psp, PSP_REG_P2CMSG_INTSTS), ==, 0);
    g_assert_cmphex(get(&psp, PSP_REG_P2CMSG_INTEN), ==, 0);
    stop(&psp);
}

/*
 * Chance: 100,000 writes to registers, a third of them commands.  PEK_GEN and
 * its like make keys, which takes time, and are left to one in a hundred.
 */
static uint32_t any_command(void)
{
    unsigned command = g_test_rand_int_range(0, 0xd0);
    bool slow = command >= 0x05 && command <= 0x09;

    if (slow && g_test_rand_int_range(0, 100)) {
        command = PLATFORM_STATUS;
    }
    return command << PSP_COMMAND_SHIFT | (g_test_rand_int() & 1);
}

static void any_write(Psp *psp)
{
    static const uint64_t addresses[] = {
        0, BUFFER, 0xfed80000, 0xfffff000, 256 * MiB - 8, 1ULL << 51,
    };
    uint64_t address = addresses[g_test_rand_int_range(
        0, ARRAY_SIZE(addresses))] + g_test_rand_int_range(0, 16);

    switch (g_test_rand_int_range(0, 9)) {
    case 0:
        set(psp, g_test_rand_int_range(0, 1 * MiB / 4) * 4,
            g_test_rand_int());
        break;
    case 1:
        set(psp, PSP_REG_BUFFER_LOW, g_test_rand_int());
        break;
    case 2:
        set(psp, PSP_REG_BUFFER_LOW, address);
        break;
    case 3:
        set(psp, PSP_REG_BUFFER_HIGH, address >> 32);
        break;
    case 4:
        set(psp, PSP_REG_P2CMSG_INTEN, g_test_rand_int());
        break;
    case 5:
        set(psp, PSP_REG_P2CMSG_INTSTS, g_test_rand_int());
        break;
    default:
        set(psp, PSP_REG_COMMAND, any_command());
        break;
    }
}

static void test_chance(void)
{
    Psp psp = start();

    for (unsigned i = 0; i < 100000; i++) {
        if (i % 256 == 0) {
            for (unsigned j = 0; j < 16; j++) {
                qtest_writeq(psp.qts, BUFFER + 8 * j,
                             g_test_rand_bit() ? 0 : g_test_rand_int());
            }
        }
        any_write(&psp);
    }
    wait_until_done(&psp);
    g_assert_cmphex(run(&psp, PLATFORM_STATUS, BUFFER + 4096, false), ==, 0);
    stop(&psp);
}

/*
 * Where there is none
 */

static void expect_refused(const char *options, const char *message)
{
    g_autofree char *line = g_strdup_printf(
        "%s -display none -accel tcg -S -nodefaults %s",
        getenv("QTEST_QEMU_BINARY"), options);
    g_autofree char *errors = NULL;
    int status;

    g_assert_true(g_spawn_command_line_sync(line, NULL, &errors, &status,
                                            NULL));
    g_test_message("%s", errors);
    g_assert_true(WIFEXITED(status) && WEXITSTATUS(status));
    g_assert_nonnull(strstr(errors, message));
}

static void test_refused(void)
{
    g_autofree char *twice = g_strdup_printf(HOST " -device amd-psp",
                                             chip_dir);

    expect_refused("-machine q35 -device amd-psp",
                   "part of an emulated SEV-SNP host; use -machine"
                   " q35,snp-host=on, which has one");
    expect_refused("-machine pc -device amd-psp",
                   "part of an emulated SEV-SNP host");
    expect_refused(twice, "this machine has an AMD Secure Processor already");
}

static void test_migration(void)
{
    QTestState *qts = qtest_initf("-accel tcg -S " HOST, chip_dir);
    QDict *response = qtest_qmp(qts, "{ 'execute': 'migrate', 'arguments': {"
                                " 'uri': 'exec:cat >/dev/null' } }");

    g_assert_true(qdict_haskey(response, "error"));
    qobject_unref(response);
    qtest_quit(qts);
}

static void remove_dir(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *file = g_build_filename(path, name, NULL);

        g_unlink(file);
    }
    g_rmdir(path);
}

int main(int argc, char **argv)
{
    int ret;

    g_test_init(&argc, &argv, NULL);
    chip_dir = g_dir_make_tmp("amd-psp-XXXXXX", NULL);
    g_assert_nonnull(chip_dir);
    /* While there is none */
    qtest_add_func("/amd-psp/new-chip", test_new_chip);
    /* ... and a file where a folder has to be */
    qtest_add_func("/amd-psp/no-chip", test_no_chip);
    qtest_add_func("/amd-psp/registers", test_registers);
    qtest_add_func("/amd-psp/command", test_command);
    qtest_add_func("/amd-psp/no-ram", test_no_ram);
    qtest_add_func("/amd-psp/interrupt", test_interrupt);
    qtest_add_func("/amd-psp/reset", test_reset);
    qtest_add_func("/amd-psp/chance", test_chance);
    qtest_add_func("/amd-psp/refused", test_refused);
    qtest_add_func("/amd-psp/migration", test_migration);
    ret = g_test_run();
    remove_dir(chip_dir);
    g_free(chip_dir);
    return ret;
}
