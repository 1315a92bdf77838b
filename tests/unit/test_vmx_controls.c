/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* VT-x controls by capability MSRs, as other CPUs than the emulated one have them, and the checks
 * of entries against values that the SDM calls wrong. The numbers are written out from the SDM's
 * tables (volume 3C, chapters 25 to 27, appendices A and B), not taken from the header. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include "arch/x86_64/host/vmx/controls.h"
#include "kernel/log.h"

/* A processor with all that is used: allowed-1 bits in the high half, default1 bits in the low. */
static struct vmx_capabilities modern(void)
{
    return (struct vmx_capabilities){
        .basic = 0x00d8100000000004,
        .pin = 0x000000ff00000016,
        .cpu = 0xfff9fffe04006172,
        .cpu2 = 0x0357ffff00000000,
        .exit = 0x01ffffff00036dfb,
        .entry = 0x0003ffff000011fb,
        .ept_vpid = 0x00000f0106734141,
        .cr0_fixed0 = 0x80000021,
        .cr0_fixed1 = 0xffffffff,
        .cr4_fixed0 = 0x2000,
        .cr4_fixed1 = 0x3727ff,
        .rdtscp = true,
        .tsc_deadline = true,
    };
}

static char text[600];

static enum err choose(const struct vmx_capabilities *caps, struct vmx_controls *controls)
{
    struct out_buffer out;

    memset(text, 0, sizeof(text));
    out_buffer_init(&out, text, sizeof(text));
    return vmx_controls_choose(caps, controls, &out.out);
}

static void test_controls_of_a_modern_cpu(void **state)
{
    struct vmx_capabilities caps = modern();
    struct vmx_controls c;

    (void)state;
    assert_int_equal(choose(&caps, &c), ERR_OK);
    assert_int_equal(c.pin, 0x16 | 0x29 | 0x40);
    /* TSC offset, HLT, MWAIT, RDPMC, TPR shadow, I/O, MSR bitmaps, MONITOR, secondary. */
    assert_int_equal(c.cpu, 0x04006172u | 0xb1200c88u);
    assert_int_equal(c.cpu2, 0x2 | 0x8 | 0x20 | 0x40 | 0x80 | 0x300);
    assert_int_equal(c.exit, 0x00036dfb | 0x3c0204);
    assert_int_equal(c.entry, 0x11fb | 0xc004);
    assert_true(c.vpid && c.accessed_dirty && c.page_1g && c.io_information && c.tsc_scaling);
}

static void test_what_is_missing_is_named(void **state)
{
    static const struct {
        size_t field;
        uint64_t bit;
        const char *name;
    } cases[] = {
        {offsetof(struct vmx_capabilities, pin), 1ULL << 37, "virtual NMIs"},
        {offsetof(struct vmx_capabilities, cpu), 1ULL << 63, "secondary controls"},
        {offsetof(struct vmx_capabilities, cpu), 1ULL << 53, "TPR shadow"},
        {offsetof(struct vmx_capabilities, cpu2), 1ULL << 33, "extended page tables"},
        {offsetof(struct vmx_capabilities, cpu2), 1ULL << 39, "unrestricted guest"},
        {offsetof(struct vmx_capabilities, cpu2), 1ULL << 35, "RDTSCP in guests"},
        {offsetof(struct vmx_capabilities, exit), 1ULL << 51, "load host IA32_PAT"},
        {offsetof(struct vmx_capabilities, entry), 1ULL << 47, "load guest IA32_EFER"},
        {offsetof(struct vmx_capabilities, ept_vpid), 1ULL << 16, "EPT pages of 2 MiB"},
        {offsetof(struct vmx_capabilities, ept_vpid), 1ULL << 25, "INVEPT of one context"},
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        struct vmx_capabilities caps = modern();
        struct vmx_controls c;

        *(uint64_t *)(void *)((char *)&caps + cases[i].field) &= ~cases[i].bit;
        assert_int_equal(choose(&caps, &c), ERR_UNSUPPORTED);
        assert_non_null(strstr(text, "VT-x lacks what is needed here"));
        assert_non_null(strstr(text, cases[i].name));
        assert_null(strchr(text, ',')); /* and nothing else */
    }
}

static void test_controls_that_cannot_be_switched_off(void **state)
{
    struct vmx_capabilities caps = modern();
    struct vmx_controls c;

    (void)state;
    caps.cpu |= 1 << 15; /* as CPUs without the TRUE capability MSRs */
    assert_int_equal(choose(&caps, &c), ERR_UNSUPPORTED);
    assert_non_null(strstr(text, "CR3 loads without an exit"));
}

static void test_without_vpid_and_accessed_bits(void **state)
{
    struct vmx_capabilities caps = modern();
    struct vmx_controls c;

    (void)state;
    caps.cpu2 &= ~(1ULL << 37);
    caps.ept_vpid &= ~(1ULL << 21 | 1ULL << 17);
    assert_int_equal(choose(&caps, &c), ERR_OK);
    assert_false(c.vpid || c.accessed_dirty || c.page_1g);
    assert_int_equal(c.cpu2 & 0x20, 0);
}

/* ---- Checks of entries ---- */

struct fake {
    struct vmx_check check;
    struct vmx_capabilities caps;
    uint32_t changed; /* this field has `value` instead */
    uint64_t value;
};

/* A 64-bit guest and host in order. */
static const struct {
    uint32_t field;
    uint64_t value;
} legal[] = {
    {0x0000, 1},
    {0x0c00, 0x10},
    {0x0c02, 0x08},
    {0x0c04, 0x10},
    {0x0c06, 0x10},
    {0x0c0c, 0x18},
    {0x2004, 0x5000},
    {0x2012, 0x6000},
    {0x201a, 0x705e},
    {0x2800, UINT64_MAX},
    {0x2804, 0x0007040600070406},
    {0x2806, 0xd01},
    {0x2c00, 0x0007040600070406},
    {0x2c02, 0xd00},
    {0x4000, 0x3f},
    {0x4002, 0xb5206dfa},
    {0x401e, 0xea},
    {0x400c, 0x3f6fff},
    {0x4012, 0xd3ff},
    {0x480e, 0x67},
    {0x4802, 0xffffffff},
    {0x4804, 0xffffffff},
    {0x4814, 0x10000},
    {0x4816, 0xa09b},
    {0x4818, 0xc093},
    {0x481a, 0x10000},
    {0x481c, 0x10000},
    {0x481e, 0x10000},
    {0x4820, 0x10000},
    {0x4822, 0x8b},
    {0x6800, 0x80050033},
    {0x6804, 0x26f0},
    {0x681a, 0x400},
    {0x6820, 0x202},
    {0x6c00, 0x80050033},
    {0x6c04, 0x26f0},
};

static uint64_t fake_read(const struct vmx_check *check, uint32_t field)
{
    const struct fake *f = (const struct fake *)(const void *)check;

    if (field == f->changed)
        return f->value;
    for (unsigned i = 0; i < ARRAY_SIZE(legal); i++) {
        if (legal[i].field == field)
            return legal[i].value;
    }
    return 0;
}

static struct fake fake(uint32_t field, uint64_t value)
{
    return (struct fake){.check = {.read = fake_read, .physical_bits = 40},
                         .caps = modern(),
                         .changed = field,
                         .value = value};
}

static void test_legal_entry_has_no_wrong_field(void **state)
{
    struct fake f = fake(UINT32_MAX, 0);

    (void)state;
    f.check.caps = &f.caps;
    assert_non_null(
        strstr(vmx_invalid_controls(&f.check), "every one that is checked here is right"));
    assert_non_null(
        strstr(vmx_invalid_host(&f.check), "every field that is checked here is right"));
    assert_non_null(
        strstr(vmx_invalid_guest(&f.check), "every field that is checked here is right"));
}

static void test_each_wrong_field_is_named(void **state)
{
    static const struct {
        const char *(*check)(const struct vmx_check *c);
        uint32_t field;
        uint64_t value;
        const char *name;
    } cases[] = {
        {vmx_invalid_controls, 0x4000, 0x13f, "pin-based"},
        {vmx_invalid_controls, 0x4002, 0xb5206df8, "primary"},
        {vmx_invalid_controls, 0x2004, 0x5008, "MSR-bitmap"},
        {vmx_invalid_controls, 0x2012, 1ULL << 40, "virtual-APIC"},
        {vmx_invalid_controls, 0x201a, 0x705f, "EPT pointer: its memory type"},
        {vmx_invalid_controls, 0x201a, 0x7056, "EPT pointer: its page-walk length"},
        {vmx_invalid_controls, 0x0000, 0, "VPID"},
        {vmx_invalid_controls, 0x4016, 0x80000100, "its type is reserved"},
        {vmx_invalid_controls, 0x4016, 0x80000203, "an NMI with another vector"},
        {vmx_invalid_controls, 0x4016, 0x8000030d,
         "an error code that does not fit"}, /* #GP without */
        {vmx_invalid_controls, 0x4016, 0x80000b06,
         "an error code that does not fit"}, /* #UD with */
        {vmx_invalid_controls, 0x4016, 0x80001320, "reserved bits"},
        {vmx_invalid_host, 0x6c00, 0x80050013, "host CR0"},
        {vmx_invalid_host, 0x6c04, 0x26d0, "host CR4: PAE"},
        {vmx_invalid_host, 0x6c02, 1ULL << 63, "host CR3"},
        {vmx_invalid_host, 0x0c02, 0, "host CS"},
        {vmx_invalid_host, 0x0c00, 3, "host ES"},
        {vmx_invalid_host, 0x6c16, 1ULL << 47, "host RIP"},
        {vmx_invalid_host, 0x2c02, 0x100, "host IA32_EFER"},
        {vmx_invalid_guest, 0x6800, 0x80050032, "guest CR0: PG"},
        {vmx_invalid_guest, 0x6804, 0x6f0, "guest CR4"},
        {vmx_invalid_guest, 0x2806, 0x901, "guest IA32_EFER: LMA"},
        {vmx_invalid_guest, 0x2806, 0x1d01, "guest IA32_EFER: reserved"},
        {vmx_invalid_guest, 0x4816, 0xe09b, "guest CS"},
        {vmx_invalid_guest, 0x4816, 0xa0fb, "guest CS"}, /* DPL 3 over a stack of 0 */
        {vmx_invalid_guest, 0x4802, 0xfff, "guest CS"},  /* G, and a limit below its unit: legal */
        {vmx_invalid_guest, 0x4822, 0x89, "guest TR"},
        {vmx_invalid_guest, 0x4818, 0xc09b, "guest SS"},
        {vmx_invalid_guest, 0x6820, 0x200, "guest RFLAGS"},
        {vmx_invalid_guest, 0x6820, 0x20202, "guest RFLAGS: VM"},
        {vmx_invalid_guest, 0x681e, 1ULL << 47, "guest RIP"},
        {vmx_invalid_guest, 0x4824, 3, "guest interruptibility"},
        {vmx_invalid_guest, 0x4826, 4, "guest activity"},
        {vmx_invalid_guest, 0x2800, 0x1000, "link pointer"},
        {vmx_invalid_guest, 0x2804, 2, "guest IA32_PAT"},
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        struct fake f = fake(cases[i].field, cases[i].value);
        const char *found;

        f.check.caps = &f.caps;
        found = cases[i].check(&f.check);
        if (cases[i].field == 0x4802) { /* low bits all ones: G may be set */
            assert_non_null(strstr(found, "every field"));
            continue;
        }
        assert_non_null(strstr(found, cases[i].name));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_controls_of_a_modern_cpu),
        cmocka_unit_test(test_what_is_missing_is_named),
        cmocka_unit_test(test_controls_that_cannot_be_switched_off),
        cmocka_unit_test(test_without_vpid_and_accessed_bits),
        cmocka_unit_test(test_legal_entry_has_no_wrong_field),
        cmocka_unit_test(test_each_wrong_field_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
