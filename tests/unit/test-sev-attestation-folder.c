/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The emulated AMD-SP: the folder of a chip, where something is wrong with it,
 * or somebody else uses it
 */
#include "qemu/osdep.h"
#include <glib/gstdio.h>
#include <sys/file.h>
#include "qapi/error.h"
#include "upm/attestation.h"

/* A copy of the chip's folder with something wrong with it */
typedef struct BadFolder {
    const char *name;
    const char *file;       /* is removed, or gets */
    const char *content;    /* this: text, or the name of another file */
    const char *message;
} BadFolder;

static const BadFolder bad_folders[] = {
    { "no-key", "vcek.key", NULL, ".pem' is there, but no vcek.key" },
    { "no-vcek", "vcek.pem", NULL, "vcek.pem" },
    { "no-ask", "ask.pem", NULL, "ask.pem" },
    { "no-ark", "ark.pem", NULL, "ark.pem" },
    { "key-text", "vcek.key", "hello", "vcek.key' is not a private key" },
    { "key-empty", "vcek.key", "", "vcek.key' is not a private key" },
    { "cert-text", "vcek.pem", "hello", "vcek.pem' is not a certificate" },
    { "vcek-is-ask", "vcek.pem", "@ask.pem", "is not the key of vcek.pem" },
    { "ask-is-ark", "ask.pem", "@ark.pem", "not signed by" },
    { "ark-is-ask", "ark.pem", "@vcek.pem", "not signed by" },
};

static void test_bad_folder(const void *data)
{
    const BadFolder *bad = data;
    static const char *const files[] = {
        "vcek.key", "ark.pem", "ask.pem", "vcek.pem"
    };
    g_autofree char *dir = g_build_filename(scratch, bad->name, NULL);
    g_autofree char *odd = g_build_filename(dir, bad->file, NULL);
    gnutls_datum_t content;
    Error *err = NULL;

    g_assert_cmpint(g_mkdir(dir, 0700), ==, 0);
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        g_autofree char *path = g_build_filename(dir, files[i], NULL);

        read_file(files[i], &content);
        g_assert_true(g_file_set_contents(path, (char *)content.data,
                                          content.size, NULL));
        g_free(content.data);
        g_chmod(path, 0600);
    }
    if (!bad->content) {
        g_assert_cmpint(g_unlink(odd), ==, 0);
    } else if (bad->content[0] == '@') {
        read_file(bad->content + 1, &content);
        g_assert_true(g_file_set_contents(odd, (char *)content.data,
                                          content.size, NULL));
        g_free(content.data);
    } else {
        g_assert_true(g_file_set_contents(odd, bad->content, -1, NULL));
    }
    g_assert_null(psp_chip_open(dir, PSP_PRODUCT_MILAN, false, &err));
    g_assert_nonnull(strstr(error_get_pretty(err), "cert-dir '"));
    g_assert_nonnull(strstr(error_get_pretty(err), bad->message));
    error_free(err);
}

/* Nothing that somebody keeps in a folder is written over. */
static void test_folder_in_use(void)
{
    static const char *const files[] = { "cert_chain.pem", "certs.bin" };

    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        g_autofree char *dir = g_strdup_printf("%s/in-use-%zu", scratch, i);
        g_autofree char *path = g_build_filename(dir, files[i], NULL);
        g_autofree char *content = NULL;
        Error *err = NULL;

        g_assert_cmpint(g_mkdir(dir, 0700), ==, 0);
        g_assert_true(g_file_set_contents(path, "mine", -1, NULL));
        g_assert_null(psp_chip_open(dir, PSP_PRODUCT_MILAN, false, &err));
        g_assert_nonnull(strstr(error_get_pretty(err), path));
        error_free(err);
        g_assert_true(g_file_get_contents(path, &content, NULL, NULL));
        g_assert_cmpstr(content, ==, "mine");
    }
}

static void test_folder_is_file(void)
{
    g_autofree char *path = g_build_filename(chip_dir, "ark.pem", NULL);
    g_autofree char *below = g_build_filename(path, "below", NULL);
    Error *err = NULL;

    chip();
    g_assert_null(psp_chip_open(below, PSP_PRODUCT_MILAN, false, &err));
    g_assert_nonnull(strstr(error_get_pretty(err), "can not make the folder"));
    error_free(err);
}

/* Whoever holds the lock keeps nobody from a chip that is there. */
static void test_folder_locked(void)
{
    g_autofree char *dir = g_build_filename(scratch, "locked", NULL);
    g_autofree char *new_lock = g_build_filename(dir, ".lock", NULL);
    g_autofree char *lock = g_build_filename(chip_dir, ".lock", NULL);
    Error *err = NULL;
    PspChip *again;
    int fd;

    chip();
    fd = g_open(lock, O_RDWR | O_CREAT, 0600);
    g_assert_cmpint(flock(fd, LOCK_EX), ==, 0);
    again = psp_chip_open(chip_dir, PSP_PRODUCT_MILAN, false, &error_abort);
    g_assert_cmpmem(psp_chip_id(again), 64, psp_chip_id(chip()), 64);
    psp_chip_free(again);
    close(fd);

    g_assert_cmpint(g_mkdir(dir, 0700), ==, 0);
    fd = g_creat(new_lock, 0600);
    g_assert_cmpint(flock(fd, LOCK_EX), ==, 0);
    g_assert_null(psp_chip_open(dir, PSP_PRODUCT_MILAN, false, &err));
    g_assert_nonnull(strstr(error_get_pretty(err), new_lock));
    error_free(err);
    close(fd);
}

/* Who comes while a chip is being made gets the same one. */
static gpointer open_chip(gpointer folder)
{
    return psp_chip_open(folder, PSP_PRODUCT_MILAN, false, &error_abort);
}

static void test_concurrent(void)
{
    g_autofree char *dir = g_build_filename(scratch, "a", "b", NULL);
    GThread *threads[3];
    PspChip *chips[3];

    for (size_t i = 0; i < ARRAY_SIZE(threads); i++) {
        threads[i] = g_thread_new("chip", open_chip, dir);
    }
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++) {
        chips[i] = g_thread_join(threads[i]);
        g_assert_cmpmem(psp_chip_id(chips[0]), 64, psp_chip_id(chips[i]), 64);
    }
    /* and it is another one than the first folder's */
    g_assert_cmpint(memcmp(psp_chip_id(chips[0]), psp_chip_id(chip()), 64),
                    !=, 0);
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++) {
        psp_chip_free(chips[i]);
    }
}

int main(int argc, char **argv)
{
    attestation_init(&argc, &argv);
    for (size_t i = 0; i < ARRAY_SIZE(bad_folders); i++) {
        g_autofree char *path = g_strdup_printf(
            "/sev/attestation/chip/%s", bad_folders[i].name);

        g_test_add_data_func(path, &bad_folders[i], test_bad_folder);
    }
    g_test_add_func("/sev/attestation/chip/folder-in-use",
                    test_folder_in_use);
    g_test_add_func("/sev/attestation/chip/folder-is-file",
                    test_folder_is_file);
    g_test_add_func("/sev/attestation/chip/folder-locked", test_folder_locked);
    g_test_add_func("/sev/attestation/chip/concurrent", test_concurrent);
    return attestation_run();
}
