/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * ennead.ini: parsed with inih by the table config_keys.def into the structures below. A mistake
 * names file, line, what was found and what is expected; a bad key disables its own section only
 * (sections with a name: `disabled`), and the system comes up.
 */
#ifndef KERNEL_CONFIG_H
#define KERNEL_CONFIG_H

#include "kernel/log.h"

#define CONFIG_NAME_SIZE   32
#define CONFIG_REASON_SIZE 160
#define CONFIG_NAMED_MAX   256 /* sections of each kind that has names */
#define CONFIG_LIST_MAX    12  /* values of one key of type LIST */
#define CONFIG_CPUS_MAX    256 /* highest CPU that `affinity` can name, plus 1 */
#define CONFIG_MAC_SIZE    6

/* What each section with a name begins with. */
#define CONFIG_NAMED                                                                    \
    char name[CONFIG_NAME_SIZE]; /* letters, digits, '-', '_', '.' */                   \
    unsigned line;               /* of its header */                                    \
    bool disabled; /* a mistake in it, or in what it names: `reason`, in plain words */ \
    char reason[CONFIG_REASON_SIZE]

struct config_named {
    CONFIG_NAMED;
};

/* The values of a key that may stand several times, in order. */
struct config_list {
    unsigned count;
    unsigned line[CONFIG_LIST_MAX];
    const char *value[CONFIG_LIST_MAX];
};

/* A set of CPUs; empty: any. */
struct config_cpus {
    uint64_t bits[CONFIG_CPUS_MAX / 64];
};

enum config_disk_mode {
    CONFIG_DISK_READ_WRITE,
    CONFIG_DISK_READ_ONLY,
    CONFIG_DISK_COPY_ON_WRITE,
};

struct config_disk {
    union {
        struct config_named named;
        struct {
            CONFIG_NAMED;
        };
    };
    const char *file; /* path on the ESP, or NULL: a blank disk */
    uint64_t mode;    /* enum config_disk_mode */
    uint64_t size;    /* bytes; 0: that of the file */
    unsigned user;    /* for a read-write disk: line of the guest that has it, 0: none */
};

enum config_interrupts {
    CONFIG_INTERRUPTS_PLIC,
    CONFIG_INTERRUPTS_AIA,
};

enum config_virtio {
    CONFIG_VIRTIO_PCI,
    CONFIG_VIRTIO_MMIO,
};

struct config_network {
    union {
        struct config_named named;
        struct {
            CONFIG_NAMED;
        };
    };
    uint64_t mtu; /* bytes */
};

/* One network card of a guest. */
struct config_net {
    const struct config_network *network;
    bool has_mac; /* otherwise the device makes one up */
    uint8_t mac[CONFIG_MAC_SIZE];
};

/* Values of `arch`, in the order of its choices. */
enum config_isa { CONFIG_ISA_HOST, CONFIG_ISA_X86_64, CONFIG_ISA_AARCH64, CONFIG_ISA_RISCV64 };

/* The architecture whose guests run on hosts of its own only, as none translates it: the loader and
 * the kernel agree on it. */
#define CONFIG_HARDWARE_ISA "x86_64"

/* Values of `engine`, in the order of its choices. */
enum config_engine {
    CONFIG_ENGINE_AUTO,
    CONFIG_ENGINE_HARDWARE,
    CONFIG_ENGINE_JIT,
    CONFIG_ENGINE_HYBRID,
    CONFIG_ENGINE_INTERP,
};

/* Values of `mmu`, in the order of its choices. */
enum config_mmu { CONFIG_MMU_AUTO, CONFIG_MMU_SOFT, CONFIG_MMU_PAGE_TABLE };

/* Values of `gdb` and `on_crash`, in the order of their choices. */
enum config_gdb { CONFIG_GDB_NO, CONFIG_GDB_YES, CONFIG_GDB_WAIT };
enum config_crash { CONFIG_CRASH_STOP, CONFIG_CRASH_RESTART, CONFIG_CRASH_DEBUG };

#define CONFIG_VCPUS_MAX 64

struct config_vm {
    union {
        struct config_named named;
        struct {
            CONFIG_NAMED;
        };
    };
    /* The guest is of another architecture than the host, and not of one that is translated: it is
     * listed with `reason`, not started, and the loader has not read its files. */
    bool foreign;
    uint64_t arch;   /* enum config_isa */
    uint64_t engine; /* enum config_engine */
    uint64_t mmu;    /* enum config_mmu */
    bool sv57;       /* of riscv64 guests that are translated */
    bool vectors;    /* of the same: the extension V */
    uint64_t memory; /* bytes */
    bool memory_at_start;
    uint64_t cpus;
    uint64_t weight;             /* of its vCPUs' threads */
    struct config_cpus affinity; /* where they may run */
    uint64_t time;               /* enum guest_time: after a pause */
    uint64_t counter_khz;        /* 0: the host's */
    const char *kernel, *initrd; /* paths on the ESP, or NULL */
    const char *cmdline;         /* never NULL */
    bool autostart;
    uint64_t interrupts;          /* enum config_interrupts: of riscv64 guests */
    uint64_t virtio;              /* enum config_virtio */
    uint64_t cpu;                 /* of x86_64 guests: 0 as the host, 1 portable */
    bool debug_exit;              /* of x86_64 guests */
    bool reclaim;                 /* pages that the guest reports free go back to the host */
    uint64_t gdb;                 /* enum config_gdb */
    uint64_t on_crash;            /* enum config_crash */
    struct config_list disk, net; /* as written; what they name follows */
    unsigned disk_count, net_count;
    const struct config_disk *disks[CONFIG_LIST_MAX];
    struct config_net nets[CONFIG_LIST_MAX];
};

struct config {
    uint64_t config;   /* version of the file's format */
    uint64_t log;      /* enum log_level */
    uint64_t panic;    /* 0: halt, 1: reboot */
    bool panic_reboot; /* the same */
    bool runtime_services;
    const char *console;              /* a guest's name; empty: the monitor */
    struct config_cpus reserved_cpus; /* kept free of guests whose affinity does not name them */
    uint64_t keyboard;                /* enum keymap_layout of drivers/input/keymap.h */
    unsigned vm_count, disk_count, network_count;
    struct config_vm *vms;
    struct config_disk *disks;
    struct config_network *networks;
    unsigned error_count; /* mistakes found; each was logged */
    char path[64];        /* of the file that was read; empty: none */
};

/* Name of the architecture that a guest is of. */
const char *config_isa_name(const struct config_vm *vm);
/* The configuration in force; defaults before config_parse(). Never NULL. */
const struct config *config_get(void);
/* Parses `size` bytes of `text` (not NUL-terminated; hostile) named `path` in messages. Logs
 * mistakes at LOG_WARN. */
enum err config_parse(const char *path, const char *text, size_t size);
/* From now on mistakes are told to `to`, one call each, instead of logged. */
void config_report_to(void (*to)(const char *path, unsigned line, const char *text));
/* Reads a size such as 4096, 64K or 1G; false: it is none. */
bool config_read_size(const char *text, uint64_t *value) MUST_CHECK;
/* Forgets what was parsed: defaults are in force. For tests. */
void config_reset(void);
/* Prints what is in force, as an ini file, with each section's mistakes as comments. */
void config_print(struct out *out);
struct json;
void config_json(struct json *j);

#endif
