/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * ennead check: reads a configuration file as the hypervisor does and tells of every mistake, with
 * the line, what was found and what is expected.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>
#include "kernel/config.h"
#include "kernel/cpu.h"
#include "kernel/host.h"
#include "mm/heap.h"
#include "mm/page.h"
#include "program.h"

#define OWN_MEMORY    MIB(16)
#define FILE_MOST     MIB(1) /* of the loader as well */
#define EXIT_MISTAKES 1
#define PATH_SIZE     4096

static const char usage[] =
    "usage: ennead check [--root FOLDER] FILE\n"
    "Reads a configuration file (ennead.ini) and tells of the mistakes in it.\n"
    "  --root FOLDER      the boot volume, to look for the files that it names (default: the "
    "folder\n"
    "                     that holds the folder ennead, where FILE is in such a one)\n"
    "Exit status: 0 without mistakes, 1 with mistakes, 2 when FILE cannot be read.\n";

static const char *ini; /* FILE */
static unsigned mistakes;

static void tell(const char *path, unsigned line, const char *text)
{
    (void)path; /* shortened */
    printf("%s:%u: %s\n", ini, line, text);
    mistakes++;
}

static char *read_whole(const char *path, size_t *size)
{
    FILE *f = fopen(path, "rb");
    char *text = malloc(FILE_MOST + 1);

    if (!f || !text)
        program_fail("%s: %s", path, strerror(errno));
    *size = fread(text, 1, FILE_MOST + 1, f);
    if (ferror(f))
        program_fail("%s: %s", path, strerror(errno));
    if (*size > FILE_MOST)
        program_fail("%s: it is larger than 1 MiB, which is no configuration file", path);
    fclose(f);
    return text;
}

/* ---- The files that it names ---- */

static void check_file(const char *root, const struct config_named *section, const char *word,
                       const char *key, const char *file)
{
    char path[PATH_SIZE], text[PATH_SIZE + 128];
    struct stat s;

    if (!file || !*file || section->disabled)
        return;
    if (snprintf(path, sizeof(path), "%s/%s", root, file) >= (int)sizeof(path))
        return; /* the parser takes no path that long */
    if (stat(path, &s) == 0 && S_ISREG(s.st_mode))
        return;
    snprintf(text, sizeof(text), "[%s %s] %s = %s: there is no such file in %s; copy it there",
             word, section->name, key, file, root);
    tell(NULL, section->line, text);
}

static void check_files(const char *root)
{
    const struct config *c = config_get();

    for (unsigned i = 0; i < c->vm_count; i++) {
        const struct config_vm *vm = &c->vms[i];

        check_file(root, &vm->named, "vm", "kernel", vm->kernel);
        check_file(root, &vm->named, "vm", "initrd", vm->initrd);
    }
    for (unsigned i = 0; i < c->disk_count; i++)
        check_file(root, &c->disks[i].named, "disk", "file", c->disks[i].file);
}

/* The folder above `ennead` in "ROOT/ennead/ennead.ini" into `root`; false: it is not there. */
static bool root_of(char *root, size_t size)
{
    char *slash;

    if (!realpath(ini, root) || strlen(root) >= size)
        return false;
    for (int i = 0; i < 2; i++) {
        slash = strrchr(root, '/');
        if (!slash || (i == 1 && strcasecmp(slash, "/ennead") != 0))
            return false;
        *slash = '\0';
    }
    if (!*root)
        strcpy(root, "/");
    return true;
}

/* ---- The command ---- */

static void start_core(void)
{
    static struct boot_info info;

    program_memory_create(&info, OWN_MEMORY, 0);
    host_early_init(&info, cpu_boot());
    page_init(&info);
    heap_init();
}

static const char *take_options(int argc, char **argv, char *root, size_t size)
{
    static const struct option options[] = {
        {"root", required_argument, NULL, 'r'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int name;

    while ((name = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (name == 'h') {
            fputs(usage, stdout);
            exit(EXIT_SUCCESS);
        }
        if (name != 'r' || snprintf(root, size, "%s", optarg) >= (int)size)
            program_fail("wrong option: try 'ennead check --help'");
    }
    if (argc - optind != 1) {
        fputs(usage, stderr);
        exit(EXIT_USAGE);
    }
    return argv[optind];
}

int program_check(int argc, char **argv)
{
    static char root[PATH_SIZE];
    size_t size;
    char *text;

    ini = take_options(argc, argv, root, sizeof(root));
    text = read_whole(ini, &size);
    start_core();
    config_report_to(tell);
    (void)config_parse(ini, text, size);
    if (*root || root_of(root, sizeof(root)))
        check_files(root);
    else
        printf("%s: the files that it names were not looked for: give --root\n", ini);
    free(text);
    if (mistakes)
        printf("%s: %u mistake%s\n", ini, mistakes, mistakes == 1 ? "" : "s");
    else
        printf("%s: no mistakes\n", ini);
    return mistakes ? EXIT_MISTAKES : EXIT_SUCCESS;
}
