/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Tables that the linker gathers: each entry is defined beside the code that it names, and the core
 * iterates.
 *
 *     TABLE_ENTRY(monitor_commands, struct monitor_command, command_log) = { .name = "log", ... };
 *     TABLE_FOR_EACH(monitor_commands, struct monitor_command, c) { ... }
 *
 * Entries are constant, in one section `table_NAME`, in link order (which means nothing: sort where
 * order matters).
 */
#ifndef KERNEL_TABLE_H
#define KERNEL_TABLE_H

#define TABLE_ENTRY(table, type, name) \
    static const type name __attribute__((used, section("table_" #table), aligned(8)))

#define TABLE_DECLARE(table, type)                                                         \
    extern const type __start_table_##table[] __attribute__((weak, visibility("hidden"))); \
    extern const type __stop_table_##table[] __attribute__((weak, visibility("hidden")))

#define TABLE_FOR_EACH(table, type, it) \
    for (const type *it = __start_table_##table; it < __stop_table_##table; it++)

#endif
