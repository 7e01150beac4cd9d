/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Preloaded into QEMU: answers SEV commands where neither KVM nor processor
 * has any
 *
 * A test's stand-in.  Nothing is encrypted or measured here, and nothing about
 * hardware is proved: it tests QEMU's side of the protocol.  All else is the
 * real KVM's; to it an SNP guest is a software protected VM, a SEV or SEV-ES
 * guest an ordinary one.
 *
 * What is refused: Linux 6.12, arch/x86/kvm/svm/sev.c and
 * virt/kvm/guest_memfd.c, read for facts; the order of commands: guest states
 * of the SEV API (55766) and the SEV-SNP Firmware ABI (56860).  Commands come
 * with the BQL held.
 *
 * LAB_SEV_LOG=FILE     a line for each command; what is launched goes to
 *                      FILE.data, one extent after the other
 * LAB_SEV_FAIL=COMMAND:FIRST:TIMES:ERRNO:STATUS
 *                      calls FIRST and following of a command, all in
 *                      numbers, fail
 * LAB_SEV_STEP=PAGES   SNP_LAUNCH_UPDATE does no more of them in one call
 * LAB_SEV_CERTS=GPA    KVM is one of Linux 7.0: the guest asks for certificates
 *                      twice, in its first steps, with no room for them and
 *                      then with as much as it was told, at GPA
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/kvm.h>
#include <linux/psp-sev.h>

#define PAGE            4096
#define COUNT(array)    (sizeof(array) / sizeof((array)[0]))
#define HLT             0xf4    /* a vCPU that runs what is encrypted stops */
#define MEASUREMENT     48      /* bytes of LAUNCH_MEASURE, with its nonce */
#define REQ_CERTS       43      /* exit reason */
#define ENABLE_CERTS    103     /* command */
#define POLICY_NEEDED   0x30000ull
#define POLICY_KNOWN    0xbffffull

enum { EMPTY, READY, UPDATE, SECRET, RUNNING };
enum { PRIVATE = 1, LAUNCHED = 2 };

typedef struct Slot {
    uint64_t gfn, pages, offset;
    int private_fd;                     /* -1: none */
} Slot;

static FILE *log_file, *data_file;
static int state, vcpus, vcpu_fds[64];
static long vm_type;
static bool registers_hidden;
static uint8_t page_states[1 << 20];    /* of those below 4 GiB */
static Slot slots[512];
static struct kvm_run *first_run;       /* of vCPU 0 */
static char note[256];                  /* what handlers add to the log */

static __attribute__((constructor)) void open_logs(void)
{
    char path[4096];

    snprintf(path, sizeof(path), "%s.data", getenv("LAB_SEV_LOG"));
    log_file = fopen(getenv("LAB_SEV_LOG"), "a");
    data_file = fopen(path, "a");
    setlinebuf(log_file);
}

static uint64_t number(const char *name, uint64_t otherwise)
{
    unsigned long value;

    return sscanf(getenv(name) ?: "", "%lu", &value) == 1 ? value : otherwise;
}

static void keep(uint64_t address, size_t size)
{
    fwrite((void *)address, size, 1, data_file);
    fflush(data_file);
}

static int firmware_says(struct kvm_sev_cmd *cmd, int status)
{
    cmd->error = status;
    return status ? -EIO : 0;
}

/* What KVM makes the vCPUs' save areas of */
static int hide_registers(void)
{
    struct kvm_sregs sregs;
    struct kvm_regs regs;

    for (int i = 0; i < vcpus; i++) {
        if (syscall(SYS_ioctl, vcpu_fds[i], KVM_GET_REGS, &regs) ||
            syscall(SYS_ioctl, vcpu_fds[i], KVM_GET_SREGS, &sregs)) {
            return -errno;
        }
        fprintf(log_file, "VCPU index=%d rip=%lld rdx=%lld rflags=%lld cs=%d"
                " cs_base=%lld\n", i, regs.rip, regs.rdx, regs.rflags,
                sregs.cs.selector, sregs.cs.base);
    }
    /* KVM tells no difference to guests that are of the ordinary type. */
    registers_hidden = vm_type != KVM_X86_DEFAULT_VM;
    return 0;
}

static int init(struct kvm_sev_cmd *cmd, void *data)
{
    bool old = cmd->id != KVM_SEV_INIT2;

    snprintf(note, sizeof(note), " vm_type=%ld", vm_type);
    return vcpus || old != (vm_type == KVM_X86_DEFAULT_VM) ||
           (!old && ((struct kvm_sev_init *)data)->flags) ? -EINVAL : 0;
}

static int launch_start(struct kvm_sev_cmd *cmd, void *data)
{
    struct kvm_sev_launch_start *start = data;

    snprintf(note, sizeof(note), " policy=%u", start->policy);
    start->handle = 1;
    return firmware_says(cmd, 0);
}

static int launch_update_data(struct kvm_sev_cmd *cmd, void *data)
{
    struct kvm_sev_launch_update_data *update = data;

    if (!update->len || (update->uaddr | update->len) % 16) {
        return firmware_says(cmd, SEV_RET_INVALID_ADDRESS);
    }
    snprintf(note, sizeof(note), " size=%u", update->len);
    keep(update->uaddr, update->len);
    memset((void *)update->uaddr, HLT, update->len);
    return 0;
}

static int launch_update_vmsa(struct kvm_sev_cmd *cmd, void *data)
{
    return data ? firmware_says(cmd, SEV_RET_INVALID_PARAM) : hide_registers();
}

static int launch_measure(struct kvm_sev_cmd *cmd, void *data)
{
    struct kvm_sev_launch_measure *measure = data;

    if (measure->len < MEASUREMENT) {
        measure->len = MEASUREMENT;
        return firmware_says(cmd, SEV_RET_INVALID_LEN);
    }
    memset((void *)measure->uaddr, 'M', MEASUREMENT);
    return 0;
}

static int launch_secret(struct kvm_sev_cmd *cmd, void *data)
{
    struct kvm_sev_launch_secret *secret = data;

    if (secret->guest_len != secret->trans_len) {
        return firmware_says(cmd, SEV_RET_INVALID_LEN);
    }
    snprintf(note, sizeof(note), " header=%u size=%u", secret->hdr_len,
             secret->trans_len);
    keep(secret->trans_uaddr, secret->trans_len);
    memcpy((void *)secret->guest_uaddr, (void *)secret->trans_uaddr,
           secret->trans_len);
    return 0;
}

static int snp_launch_start(struct kvm_sev_cmd *cmd, void *data)
{
    struct kvm_sev_snp_launch_start *start = data;

    snprintf(note, sizeof(note), " policy=%llu", start->policy);
    return start->flags || start->policy & ~POLICY_KNOWN ||
           ~start->policy & POLICY_NEEDED ? -EINVAL : firmware_says(cmd, 0);
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Pages from @gfn on that can be launched, of @count; they are, then. */
static uint64_t populate(const Slot *slot, uint64_t gfn, uint64_t count)
{
    uint64_t done = 0, at = gfn - slot->gfn;

    count = least(count, slot->pages - at);
    while (done < count && page_states[gfn + done] == PRIVATE) {
        page_states[gfn + done++] |= LAUNCHED;
    }
    return done && fallocate(slot->private_fd, FALLOC_FL_KEEP_SIZE,
                             slot->offset + at * PAGE, done * PAGE) ? 0 : done;
}

static const Slot *slot_at(uint64_t gfn)
{
    for (size_t i = 0; i < COUNT(slots); i++) {
        if (gfn - slots[i].gfn < slots[i].pages &&
            slots[i].gfn + slots[i].pages <= COUNT(page_states)) {
            return &slots[i];
        }
    }
    return NULL;
}

static int snp_launch_update(struct kvm_sev_cmd *cmd, void *data)
{
    struct kvm_sev_snp_launch_update *update = data;
    const Slot *slot = slot_at(update->gfn_start);
    uint64_t wanted = update->len / PAGE, done;
    size_t copied;

    if (!slot || slot->private_fd < 0 || update->len % PAGE ||
        update->flags) {
        return -EINVAL;
    }
    done = populate(slot, update->gfn_start,
                    least(wanted, number("LAB_SEV_STEP", wanted)));
    copied = update->type == KVM_SEV_SNP_PAGE_TYPE_ZERO ? 0 : done * PAGE;
    snprintf(note, sizeof(note), " gfn=%llu pages=%lu done=%lu type=%d"
             " size=%zu", update->gfn_start, wanted, done, update->type,
             copied);
    keep(update->uaddr, copied);
    update->uaddr += copied;
    update->gfn_start += done;
    update->len -= done * PAGE;
    return wanted && !done ? -EIO : firmware_says(cmd, 0);
}

static int snp_launch_finish(struct kvm_sev_cmd *cmd, void *data)
{
    struct kvm_sev_snp_launch_finish *finish = data;
    size_t used = snprintf(note, sizeof(note), " id_block=%d auth_key=%d"
                           " host_data=", finish->id_block_en,
                           finish->auth_key_en);

    for (size_t i = 0; i < sizeof(finish->host_data); i++) {
        used += snprintf(note + used, sizeof(note) - used, "%02x",
                         finish->host_data[i]);
    }
    return hide_registers() ?: firmware_says(cmd, 0);
}

static int launch_finish(struct kvm_sev_cmd *cmd, void *data)
{
    return firmware_says(cmd, data ? SEV_RET_INVALID_PARAM : 0);
}

static int enable_certs(struct kvm_sev_cmd *cmd, void *data)
{
    return vcpus || data || !number("LAB_SEV_CERTS", 0)
           ? -EINVAL : firmware_says(cmd, 0);
}

static const struct {
    unsigned int id;
    const char *name;
    int from, to;                       /* states of the guest */
    int (*run)(struct kvm_sev_cmd *cmd, void *data);
} commands[] = {
    { KVM_SEV_INIT, "INIT", EMPTY, READY, init },
    { KVM_SEV_ES_INIT, "ES_INIT", EMPTY, READY, init },
    { KVM_SEV_INIT2, "INIT2", EMPTY, READY, init },
    { KVM_SEV_LAUNCH_START, "LAUNCH_START", READY, UPDATE, launch_start },
    { KVM_SEV_LAUNCH_UPDATE_DATA, "LAUNCH_UPDATE_DATA", UPDATE, UPDATE,
      launch_update_data },
    { KVM_SEV_LAUNCH_UPDATE_VMSA, "LAUNCH_UPDATE_VMSA", UPDATE, UPDATE,
      launch_update_vmsa },
    { KVM_SEV_LAUNCH_MEASURE, "LAUNCH_MEASURE", UPDATE, SECRET,
      launch_measure },
    { KVM_SEV_LAUNCH_SECRET, "LAUNCH_SECRET", SECRET, SECRET, launch_secret },
    { KVM_SEV_LAUNCH_FINISH, "LAUNCH_FINISH", SECRET, RUNNING, launch_finish },
    { ENABLE_CERTS, "SNP_ENABLE_REQ_CERTS", READY, READY, enable_certs },
    { KVM_SEV_SNP_LAUNCH_START, "SNP_LAUNCH_START", READY, UPDATE,
      snp_launch_start },
    { KVM_SEV_SNP_LAUNCH_UPDATE, "SNP_LAUNCH_UPDATE", UPDATE, UPDATE,
      snp_launch_update },
    { KVM_SEV_SNP_LAUNCH_FINISH, "SNP_LAUNCH_FINISH", UPDATE, RUNNING,
      snp_launch_finish },
};

/* A CPUID page comes back as the firmware would take it: without SSE3. */
static void correct_cpuid(uint32_t *page)
{
    for (uint32_t i = 0, *entry = page + 4; i < *page; i++, entry += 12) {
        entry[8] &= *entry == 1 ? ~1u : ~0u;
    }
}

/* Returns: whether LAB_SEV_FAIL is about this call */
static bool must_fail(struct kvm_sev_cmd *cmd, void *data, int *ret)
{
    static unsigned int calls;
    struct kvm_sev_snp_launch_update *update = data;
    const char *rule = getenv("LAB_SEV_FAIL");
    unsigned int id, first, times;
    int status;

    if (!rule || sscanf(rule, "%u:%u:%u:%d:%d", &id, &first, &times, ret,
                        &status) != 5 || id != cmd->id ||
        ++calls - first >= times) {
        return false;
    }
    *ret = -*ret;
    cmd->error = status;
    if (id == KVM_SEV_SNP_LAUNCH_UPDATE && status == SEV_RET_INVALID_PARAM &&
        update->type == KVM_SEV_SNP_PAGE_TYPE_CPUID) {
        correct_cpuid((void *)update->uaddr);
    }
    return true;
}

static int run_command(size_t i, struct kvm_sev_cmd *cmd)
{
    void *data = (void *)cmd->data;
    bool is_snp = cmd->id >= KVM_SEV_SNP_LAUNCH_START;
    int ret;

    if (must_fail(cmd, data, &ret)) {
        return ret;
    }
    if (state != EMPTY && is_snp != (vm_type == KVM_X86_SNP_VM)) {
        return is_snp ? -ENOTTY : -EPERM;
    }
    if (state != commands[i].from) {
        return firmware_says(cmd, SEV_RET_INVALID_GUEST_STATE);
    }
    ret = commands[i].run(cmd, data);
    state = ret ? state : commands[i].to;
    return ret;
}

static int guest_command(struct kvm_sev_cmd *cmd)
{
    for (size_t i = 0; i < COUNT(commands); i++) {
        if (commands[i].id == cmd->id) {
            int ret;

            *note = '\0';
            ret = run_command(i, cmd);
            fprintf(log_file, "%s ret=%d status=%d%s\n", commands[i].name,
                    ret, (int)cmd->error, note);
            return ret;
        }
    }
    return -EINVAL;
}

static int platform_command(struct sev_issue_cmd *cmd)
{
    struct sev_user_data_status *status = (void *)cmd->data;

    cmd->error = 0;
    if (cmd->cmd != SEV_PLATFORM_STATUS) {
        cmd->error = SEV_RET_INVALID_COMMAND;
        return -EIO;
    }
    *status = (struct sev_user_data_status) {
        .api_major = 1, .api_minor = 55, .build = 21,
        .flags = SEV_STATUS_FLAGS_CONFIG_ES,
    };
    return 0;
}

/*
 * Linux, Documentation/virt/kvm/api.rst, KVM_EXIT_SNP_REQ_CERTS.  Returns:
 * whether vCPU 0 leaves the guest to ask, instead of running it.
 */
static bool asks_for_certs(void)
{
    static int asked, answered;
    struct { uint64_t gpa, pages, ret; } *req = (void *)first_run->padding;
    uint64_t gpa = number("LAB_SEV_CERTS", 0);

    if (!gpa || state != RUNNING) {
        return false;
    }
    if (answered < asked) {
        answered++;
        fprintf(log_file, "CERTS ret=%lu pages=%lu at_once=%d\n", req->ret,
                req->pages, first_run->immediate_exit);
    }
    if (first_run->immediate_exit || asked == 2) {
        return false;
    }
    first_run->exit_reason = REQ_CERTS;
    req->gpa = gpa;
    req->pages = asked++ ? req->pages : 0;
    req->ret = 1;
    return true;
}

static bool wants_registers(unsigned int request)
{
    switch (request) {
    case KVM_GET_REGS: case KVM_GET_SREGS: case KVM_GET_SREGS2:
    case KVM_SET_REGS: case KVM_SET_SREGS: case KVM_SET_SREGS2:
    case KVM_GET_FPU: case KVM_GET_XSAVE: case KVM_GET_XSAVE2:
    case KVM_SET_FPU: case KVM_SET_XSAVE: case KVM_GET_XCRS:
    case KVM_SET_XCRS: case KVM_GET_DEBUGREGS: case KVM_SET_DEBUGREGS:
        return true;
    }
    return false;
}

static void set_attributes(const struct kvm_memory_attributes *range)
{
    for (uint64_t i = 0; i < range->size / PAGE; i++) {
        uint64_t gfn = range->address / PAGE + i;

        if (gfn < COUNT(page_states)) {
            page_states[gfn] = range->attributes ? page_states[gfn] | PRIVATE
                                                 : 0;
        }
    }
}

static void set_slot(const struct kvm_userspace_memory_region2 *region)
{
    if (region->slot < COUNT(slots)) {
        slots[region->slot] = (Slot) {
            .gfn = region->guest_phys_addr / PAGE,
            .pages = region->memory_size / PAGE,
            .offset = region->guest_memfd_offset,
            .private_fd = region->flags & KVM_MEM_GUEST_MEMFD ?
                          (int)region->guest_memfd : -1,
        };
    }
}

/* What has to be known of a request that KVM has fulfilled */
static int note_done(unsigned int request, void *arg, int ret)
{
    switch (request) {
    case KVM_CHECK_EXTENSION:
        return (long)arg == KVM_CAP_VM_TYPES ? ret | 0x1c : ret;
    case KVM_CREATE_VCPU:
        if (!vcpus) {
            first_run = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
                             ret, 0);
        }
        vcpu_fds[vcpus++] = ret;
        break;
    case KVM_SET_USER_MEMORY_REGION2:
        set_slot(arg);
        break;
    case KVM_SET_MEMORY_ATTRIBUTES:
        set_attributes(arg);
        break;
    }
    return ret;
}

static int answer(int ret)
{
    errno = -ret;
    return ret ? -1 : 0;
}

int ioctl(int fd, unsigned long request, ...)
{
    va_list list;
    void *arg;
    int ret;

    va_start(list, request);
    arg = va_arg(list, void *);
    va_end(list);
    switch ((unsigned int)request) {
    case SEV_ISSUE_CMD:
        return answer(platform_command(arg));
    case KVM_MEMORY_ENCRYPT_OP:
        return answer(arg ? guest_command(arg) : 0);
    case KVM_MEMORY_ENCRYPT_REG_REGION:
    case KVM_MEMORY_ENCRYPT_UNREG_REGION:
        return answer(0);
    case KVM_RUN:
        if (fd == vcpu_fds[0] && asks_for_certs()) {
            return answer(0);
        }
        break;
    case KVM_CREATE_VM:
        vm_type = (long)arg;
        arg = (void *)(long)(vm_type == KVM_X86_SNP_VM);
        break;
    }
    if (registers_hidden && wants_registers(request)) {
        return answer(-EINVAL);
    }
    ret = syscall(SYS_ioctl, fd, request, arg);
    return ret < 0 ? ret : note_done(request, arg, ret);
}

int open64(const char *path, int flags, ...)
{
    va_list list;
    int mode;

    va_start(list, flags);
    mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(list, int) : 0;
    va_end(list);
    return syscall(SYS_openat, AT_FDCWD, strcmp(path, "/dev/sev") ? path :
                   "/dev/null", flags | O_LARGEFILE, mode);
}
