/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The monitor command `config`: what is in force, and what each key means. */
#include <string.h>

#include "kernel/config.h"
#include "kernel/config_keys.h"
#include "kernel/monitor.h"
#include "kernel/nearest.h"

static void describe(struct out *out, const struct config_key *key)
{
    static const char *const sections[CONFIG_SECTIONS] = {
        [CONFIG_host] = "[host]",
        [CONFIG_vm] = "[vm NAME]",
        [CONFIG_disk] = "[disk NAME]",
        [CONFIG_network] = "[network NAME]",
    };

    out_printf(out, "%s in %s: %s.\n  ", key->name, sections[key->section], key->help);
    config_value_expected(key, out);
    if (key->fallback[0])
        out_printf(out, "; without it, %s", key->fallback);
    out_printf(out, "\n");
}

static void describe_all(struct out *out, const char *name)
{
    struct nearest n;
    bool found = false;

    nearest_begin(&n, name);
    for (unsigned i = 0; i < config_key_count; i++) {
        nearest_offer(&n, config_keys[i].name);
        if (strcmp(config_keys[i].name, name) == 0) {
            describe(out, &config_keys[i]);
            found = true;
        }
    }
    if (!found)
        out_printf(out, "\"%s\" is no key of ennead.ini%s%s: Tab after \"config \" lists them\n",
                   name, n.best ? ", the nearest is " : "", n.best ? n.best : "");
}

static void run_config(struct out *out, int argc, char **argv)
{
    if (argc == 0)
        config_print(out);
    for (int i = 0; i < argc; i++)
        describe_all(out, argv[i]);
}

static void json_config(struct json *j, struct out *out, int argc, char **argv)
{
    if (argc == 0)
        config_json(j);
    for (int i = 0; i < argc; i++)
        describe_all(out, argv[i]);
}

static void complete_key(int index, void (*found)(const char *word, void *arg), void *arg)
{
    (void)index;
    for (unsigned i = 0; i < config_key_count; i++)
        found(config_keys[i].name, arg);
}

TABLE_ENTRY(monitor_commands, struct monitor_command, command_config) = {
    .name = "config",
    .usage = "[KEY]...",
    .summary = "Shows the configuration in force, or tells about its keys",
    .help = "Prints the configuration as an ini file: what ennead/ennead.ini on the boot volume "
            "sets, and defaults for the rest. "
            "A section with a mistake says which and is not used. With KEY, such as \"config "
            "memory\", tells what the key means and what it expects.",
    .run = run_config,
    .json = json_config,
    .complete = complete_key,
};
