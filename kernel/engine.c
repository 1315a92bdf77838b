/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Which engines this machine has: probed once, enabled on every CPU. */
#include "kernel/engine.h"

#include <string.h>
#include "kernel/cpu.h"
#include "kernel/guest_isa.h"
#include "kernel/json.h"
#include "kernel/log.h"

#define ENGINE_MAX         8
#define ENGINE_REASON_SIZE 200

/* Outcome of each probe, in the order of the table. */
static struct engine_status {
    const struct engine *engine;
    bool available;
    char reason[ENGINE_REASON_SIZE];
} engine_status[ENGINE_MAX];
static unsigned engine_count;

const char *exit_kind_name(enum exit_kind kind)
{
    static const char *const names[EXIT_KIND_COUNT] = {
        [EXIT_INTERRUPT] = "interrupt",
        [EXIT_MEMORY] = "memory",
        [EXIT_PORT] = "port",
        [EXIT_HYPERCALL] = "hypercall",
        [EXIT_IDLE] = "idle",
        [EXIT_REGISTER] = "register",
        [EXIT_ISA] = "instruction",
        [EXIT_IRQ_WINDOW] = "irq window",
        [EXIT_DEBUG] = "debug",
        [EXIT_FATAL] = "fatal",
        [EXIT_ENTRY_FAILED] = "entry failed",
    };

    return (unsigned)kind < EXIT_KIND_COUNT ? names[kind] : "unknown";
}

static void enable_on_this_cpu(void *arg)
{
    struct engine_status *s = arg;

    if (s->engine->cpu_enable() != ERR_OK)
        __atomic_store_n(&s->available, false, __ATOMIC_RELAXED);
}

static void engine_probe(struct engine_status *s)
{
    struct out_buffer reason;
    enum err e;

    out_buffer_init(&reason, s->reason, sizeof(s->reason));
    e = s->engine->probe(&reason.out);
    if (e != ERR_OK) {
        if (!reason.used)
            out_printf(&reason.out, "%s", err_text(e));
        return;
    }
    s->available = true;
    for (unsigned i = 0; i < cpu_count(); i++)
        if (cpu_get(i))
            cpu_call(cpu_get(i), enable_on_this_cpu, s, true);
    if (!s->available)
        out_printf(&reason.out, "it could not be switched on on every CPU");
}

void engine_init_all(void)
{
    TABLE_FOR_EACH(engines, struct engine, e)
    {
        if (engine_count == ENGINE_MAX)
            break;
        engine_status[engine_count].engine = e;
        engine_probe(&engine_status[engine_count]);
        engine_count++;
    }
}

static bool engine_runs(const struct engine *e, const char *isa)
{
    const struct guest_isa *guest;

    if (e->isa)
        return strcmp(e->isa, isa) == 0;
    guest = guest_isa_find(isa);
    return guest && guest->translator;
}

static bool engine_allowed(const struct engine *e, enum config_engine choice)
{
    static const char *const names[] = {[CONFIG_ENGINE_JIT] = "jit",
                                        [CONFIG_ENGINE_HYBRID] = "hybrid",
                                        [CONFIG_ENGINE_INTERP] = "interp"};

    if (choice == CONFIG_ENGINE_AUTO)
        return true;
    return choice == CONFIG_ENGINE_HARDWARE ? e->isa != NULL
                                            : !e->isa && strcmp(e->name, names[choice]) == 0;
}

const struct engine *engine_find(const char *isa, enum config_engine choice, struct out *reason)
{
    const struct engine_status *best = NULL;
    bool any = false;

    for (unsigned i = 0; i < engine_count; i++) {
        const struct engine_status *s = &engine_status[i];

        if (s->available && engine_runs(s->engine, isa) && engine_allowed(s->engine, choice) &&
            (!best || s->engine->preference > best->engine->preference))
            best = s;
    }
    if (best)
        return best->engine;
    for (unsigned i = 0; i < engine_count; i++) {
        const struct engine_status *s = &engine_status[i];

        if (engine_runs(s->engine, isa) && engine_allowed(s->engine, choice)) {
            out_printf(reason, "%s: %s. ", s->engine->name, s->reason);
            any = true;
        }
    }
    if (!any)
        out_printf(reason, "no engine of this host that its `engine` key allows runs guests of %s",
                   isa);
    return NULL;
}

void engine_explain(const struct engine *e, const char *isa, enum config_engine choice,
                    struct out *out)
{
    if (choice != CONFIG_ENGINE_AUTO) {
        out_printf(out, "as its `engine` key says");
        return;
    }
    if (e->isa) {
        out_printf(out, "as this host's hardware runs guests of %s", isa);
        return;
    }
    for (unsigned i = 0; i < engine_count; i++) {
        const struct engine_status *s = &engine_status[i];

        if (s->engine->isa && strcmp(s->engine->isa, isa) == 0) {
            out_printf(out, "as %s is not available: %s", s->engine->name, s->reason);
            return;
        }
    }
    out_printf(out, "as this host's hardware runs no guests of %s", isa);
}

void engine_report_all(struct out *out)
{
    for (unsigned i = 0; i < engine_count; i++) {
        const struct engine_status *s = &engine_status[i];

        if (s->available)
            s->engine->report(out);
        else
            out_printf(out, "%s: not available: %s\n", s->engine->name, s->reason);
    }
    if (engine_count == 0)
        out_printf(out, "no engine for guests is built in\n");
}

void engine_json_all(struct json *j)
{
    for (unsigned i = 0; i < engine_count; i++) {
        const struct engine_status *s = &engine_status[i];

        json_begin(j, "engine");
        json_string(j, "name", s->engine->name);
        json_string(j, "guest_isa", s->engine->isa);
        json_bool(j, "available", s->available);
        json_string(j, "reason", s->available ? NULL : s->reason);
        json_end(j);
    }
}

const struct guest_isa *guest_isa_find(const char *name)
{
    TABLE_FOR_EACH(guest_isas, struct guest_isa, isa)
    {
        if (strcmp(isa->name, name) == 0)
            return isa;
    }
    return NULL;
}
