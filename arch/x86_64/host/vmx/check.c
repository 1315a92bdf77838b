/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Why an entry was refused: the checks of SDM vol. 3C, 27.2 (controls and host state) and 27.3
 * (guest state), as far as this engine uses what they are about. */
#include "arch/x86_64/guest/state.h"
#include "arch/x86_64/host/vmx/controls.h"
#include "arch/x86_64/host/registers.h"

#define PAGE_BITS         BITS(11, 0)
#define UPPER_HALF        BITS(63, 32)
#define SELECTOR_RPL_TI   7u
#define SELECTOR_TI       4u
#define EFER_VALID        (BIT(0) | BIT(8) | BIT(10) | BIT(11))
#define RFLAGS_RESERVED   (BITS(63, 22) | BIT(15) | BIT(5) | BIT(3))
#define RFLAGS_TF         BIT(8)
#define RFLAGS_VM         BIT(17)
#define VECTOR_LAST       31
#define VECTOR_NMI        2
#define ERRORS_OF_VECTORS 0x227d00u /* vectors 8, 10 to 14, 17, 21 push an error code */
#define ACCESS_TYPE(a)    ((unsigned)((a)&0xf))
#define ACCESS_CODE       BIT(3)
#define ACCESS_S          BIT(4)
#define ACCESS_DPL(a)     ((unsigned)((a) >> 5 & 3))
#define ACCESS_PRESENT    BIT(7)
#define ACCESS_LONG       BIT(13)
#define ACCESS_DEFAULT    BIT(14)
#define ACCESS_G          BIT(15)
#define ACCESS_RESERVED   (BITS(11, 8) | BITS(31, 17))
#define LAST_ACTIVITY     3
#define BLOCKING_RESERVED BITS(31, 5)

/* One check: its field's name is the answer. */
#define WRONG(condition, text) \
    do {                       \
        if (condition)         \
            return (text);     \
    } while (0)

static uint64_t get(const struct vmx_check *c, uint32_t field)
{
    return c->read(c, field);
}

static bool canonical(uint64_t address)
{
    return (uint64_t)((int64_t)(address << 16) >> 16) == address;
}

/* Bits of `value` are as a capability MSR's halves allow. */
static bool allowed(uint64_t value, uint64_t caps)
{
    uint32_t must = (uint32_t)caps, may = (uint32_t)(caps >> 32);

    return !(must & ~value) && !(value & ~(uint64_t)may);
}

static bool page_bad(const struct vmx_check *c, uint64_t address, uint64_t low_bits)
{
    return (address & low_bits) || address >> c->physical_bits;
}

static bool pat_bad(uint64_t pat)
{
    for (unsigned i = 0; i < 8; i++) {
        uint8_t type = (uint8_t)(pat >> 8 * i);

        if (type > 7 || type == 2 || type == 3)
            return true;
    }
    return false;
}

/* ---- 27.2.1: controls ---- */

static const char *event_invalid(const struct vmx_check *c)
{
    uint64_t e = get(c, VMCS_ENTRY_EVENT);
    uint8_t vector = VMX_EVENT_VECTOR(e), type = VMX_EVENT_TYPE(e);
    bool exception = type == X86_EVENT_EXCEPTION,
         pushes = vector <= VECTOR_LAST && (ERRORS_OF_VECTORS >> vector & 1) &&
                  (get(c, VMCS_GUEST_CR0) & X86_CR0_PE),
         has_error = e & VMX_EVENT_HAS_ERROR;

    if (!(e & VMX_EVENT_VALID))
        return NULL;
    WRONG(e & VMX_EVENT_RESERVED, "VM-entry interruption information: reserved bits are set");
    WRONG(type == 1 || type == 7, "VM-entry interruption information: its type is reserved");
    WRONG(type == X86_EVENT_NMI && vector != VECTOR_NMI,
          "VM-entry interruption information: an NMI with another vector than 2");
    WRONG(exception && vector > VECTOR_LAST,
          "VM-entry interruption information: an exception with a vector above 31");
    WRONG(exception && has_error != pushes,
          "VM-entry interruption information: an error code that does not fit its vector");
    WRONG(has_error && (get(c, VMCS_ENTRY_ERROR_CODE) & BITS(31, 16)),
          "VM-entry exception error code: bits above 15 are set");

    return NULL;
}

static const char *memory_invalid(const struct vmx_check *c)
{
    uint64_t cpu = get(c, VMCS_PRIMARY_CONTROLS), cpu2 = get(c, VMCS_SECONDARY_CONTROLS),
             eptp = get(c, VMCS_EPT_POINTER);

    WRONG((cpu & VMX_CPU_MSR_BITMAPS) && page_bad(c, get(c, VMCS_MSR_BITMAP), PAGE_BITS),
          "MSR-bitmap address: not a page of this machine");
    WRONG((cpu & VMX_CPU_IO_BITMAPS) && (page_bad(c, get(c, VMCS_IO_BITMAP_A), PAGE_BITS) ||
                                         page_bad(c, get(c, VMCS_IO_BITMAP_B), PAGE_BITS)),
          "I/O-bitmap address: not a page of this machine");
    WRONG((cpu & VMX_CPU_TPR_SHADOW) && page_bad(c, get(c, VMCS_VIRTUAL_APIC), PAGE_BITS),
          "virtual-APIC address: not a page of this machine");
    WRONG(!(cpu & VMX_CPU_TPR_SHADOW) &&
              (cpu2 & (VMX_CPU2_X2APIC | VMX_CPU2_APIC_REGISTERS | VMX_CPU2_VIRTUAL_DELIVERY)),
          "secondary processor-based controls: a virtual APIC without the TPR shadow");
    WRONG(
        (cpu2 & VMX_CPU2_VIRTUAL_DELIVERY) &&
            !(get(c, VMCS_PIN_CONTROLS) & VMX_PIN_EXTERNAL_INTERRUPT),
        "secondary processor-based controls: virtual interrupt delivery without external-interrupt "
        "exiting");
    WRONG((cpu & VMX_CPU_TPR_SHADOW) && !(cpu2 & VMX_CPU2_VIRTUAL_DELIVERY) &&
              (get(c, VMCS_TPR_THRESHOLD) & ~0xfULL),
          "TPR threshold: bits above 3 are set");
    WRONG((cpu2 & VMX_CPU2_EPT) && (eptp & 7) != VMX_EPTP_WRITE_BACK,
          "EPT pointer: its memory type");
    WRONG((cpu2 & VMX_CPU2_EPT) && (eptp & BITS(5, 3)) != VMX_EPTP_WALK_4,
          "EPT pointer: its page-walk length");
    WRONG((cpu2 & VMX_CPU2_EPT) && page_bad(c, eptp & ~PAGE_BITS, 0),
          "EPT pointer: not a page of this machine");
    WRONG((cpu2 & VMX_CPU2_EPT) && (eptp & BITS(11, 7)), "EPT pointer: reserved bits are set");
    WRONG((cpu2 & VMX_CPU2_VPID) && !get(c, VMCS_VPID), "VPID: it is 0");
    WRONG((cpu2 & VMX_CPU2_UNRESTRICTED) && !(cpu2 & VMX_CPU2_EPT),
          "secondary processor-based controls: unrestricted guest without EPT");

    return NULL;
}

static const char *lists_invalid(const struct vmx_check *c)
{
    static const struct {
        uint32_t count, address;
        const char *text;
    } lists[] = {
        {VMCS_EXIT_MSR_STORE_COUNT, VMCS_EXIT_MSR_STORE, "VM-exit MSR-store address"},
        {VMCS_EXIT_MSR_LOAD_COUNT, VMCS_EXIT_MSR_LOAD, "VM-exit MSR-load address"},
        {VMCS_ENTRY_MSR_LOAD_COUNT, VMCS_ENTRY_MSR_LOAD, "VM-entry MSR-load address"},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(lists); i++) {
        if (get(c, lists[i].count) && page_bad(c, get(c, lists[i].address), 0xf))
            return lists[i].text;
    }
    return NULL;
}

const char *vmx_invalid_controls(const struct vmx_check *c)
{
    const struct vmx_capabilities *caps = c->caps;
    uint64_t pin = get(c, VMCS_PIN_CONTROLS), cpu = get(c, VMCS_PRIMARY_CONTROLS);

    WRONG(!allowed(pin, caps->pin), "pin-based controls: a bit that this CPU does not allow");
    WRONG(!allowed(cpu, caps->cpu),
          "primary processor-based controls: a bit that this CPU does not allow");
    WRONG((cpu & VMX_CPU_SECONDARY) && !allowed(get(c, VMCS_SECONDARY_CONTROLS), caps->cpu2),
          "secondary processor-based controls: a bit that this CPU does not allow");
    WRONG(!allowed(get(c, VMCS_EXIT_CONTROLS), caps->exit),
          "VM-exit controls: a bit that this CPU does not allow");
    WRONG(!allowed(get(c, VMCS_ENTRY_CONTROLS), caps->entry),
          "VM-entry controls: a bit that this CPU does not allow");
    WRONG((pin & VMX_PIN_VIRTUAL_NMI) && !(pin & VMX_PIN_NMI),
          "pin-based controls: virtual NMIs without NMI exiting");
    WRONG((cpu & VMX_CPU_NMI_WINDOW) && !(pin & VMX_PIN_VIRTUAL_NMI),
          "primary processor-based controls: NMI-window exiting without virtual NMIs");
    const char *text = memory_invalid(c);

    if (!text)
        text = lists_invalid(c);
    if (!text)
        text = event_invalid(c);
    return text ? text : "controls: refused though every one that is checked here is right";
}

/* ---- 27.2.2 to 27.2.4: host state ---- */

static const char *host_segments_invalid(const struct vmx_check *c)
{
    WRONG(get(c, VMCS_HOST_CS) & SELECTOR_RPL_TI, "host CS selector: RPL or TI is set");
    WRONG(get(c, VMCS_HOST_SS) & SELECTOR_RPL_TI, "host SS selector: RPL or TI is set");
    WRONG(get(c, VMCS_HOST_DS) & SELECTOR_RPL_TI, "host DS selector: RPL or TI is set");
    WRONG(get(c, VMCS_HOST_ES) & SELECTOR_RPL_TI, "host ES selector: RPL or TI is set");
    WRONG(get(c, VMCS_HOST_FS) & SELECTOR_RPL_TI, "host FS selector: RPL or TI is set");
    WRONG(get(c, VMCS_HOST_GS) & SELECTOR_RPL_TI, "host GS selector: RPL or TI is set");
    WRONG(get(c, VMCS_HOST_TR) & SELECTOR_RPL_TI, "host TR selector: RPL or TI is set");
    WRONG(!get(c, VMCS_HOST_CS), "host CS selector: it is 0");
    WRONG(!get(c, VMCS_HOST_TR), "host TR selector: it is 0");
    WRONG(!canonical(get(c, VMCS_HOST_FS_BASE)), "host FS base: not canonical");
    WRONG(!canonical(get(c, VMCS_HOST_GS_BASE)), "host GS base: not canonical");
    WRONG(!canonical(get(c, VMCS_HOST_TR_BASE)), "host TR base: not canonical");
    WRONG(!canonical(get(c, VMCS_HOST_GDTR_BASE)), "host GDTR base: not canonical");
    WRONG(!canonical(get(c, VMCS_HOST_IDTR_BASE)), "host IDTR base: not canonical");

    return NULL;
}

const char *vmx_invalid_host(const struct vmx_check *c)
{
    const struct vmx_capabilities *caps = c->caps;
    uint64_t cr0 = get(c, VMCS_HOST_CR0), cr4 = get(c, VMCS_HOST_CR4),
             efer = get(c, VMCS_HOST_EFER);

    WRONG((caps->cr0_fixed0 & ~cr0) || (cr0 & ~caps->cr0_fixed1),
          "host CR0: a bit that VT-x does not allow");
    WRONG(!(cr4 & CR4_PAE), "host CR4: PAE is clear");
    WRONG((caps->cr4_fixed0 & ~cr4) || (cr4 & ~caps->cr4_fixed1),
          "host CR4: a bit that VT-x does not allow");
    WRONG(get(c, VMCS_HOST_CR3) >> c->physical_bits,
          "host CR3: bits above the address width are set");
    WRONG(!canonical(get(c, VMCS_HOST_SYSENTER_ESP)), "host IA32_SYSENTER_ESP: not canonical");
    WRONG(!canonical(get(c, VMCS_HOST_SYSENTER_EIP)), "host IA32_SYSENTER_EIP: not canonical");
    WRONG(pat_bad(get(c, VMCS_HOST_PAT)), "host IA32_PAT: a memory type that does not exist");
    WRONG(efer & ~EFER_VALID, "host IA32_EFER: reserved bits are set");
    WRONG(!(efer & EFER_LMA) || !(efer & EFER_LME),
          "host IA32_EFER: LMA and LME do not say 64 bits");
    WRONG(!canonical(get(c, VMCS_HOST_RIP)), "host RIP: not canonical");
    const char *text = host_segments_invalid(c);

    return text ? text : "host state: refused though every field that is checked here is right";
}

/* ---- 27.3.1: guest state ---- */

static const char *guest_control_invalid(const struct vmx_check *c)
{
    const struct vmx_capabilities *caps = c->caps;
    uint64_t cr0 = get(c, VMCS_GUEST_CR0), cr4 = get(c, VMCS_GUEST_CR4),
             efer = get(c, VMCS_GUEST_EFER);
    bool paging = cr0 & X86_CR0_PG, long_mode = get(c, VMCS_ENTRY_CONTROLS) & VMX_ENTRY_LONG_MODE;
    uint64_t fixed0 = caps->cr0_fixed0 & ~(uint64_t)(X86_CR0_PE | X86_CR0_PG);

    WRONG((fixed0 & ~cr0) || (cr0 & ~caps->cr0_fixed1),
          "guest CR0: a bit that VT-x does not allow");
    WRONG(paging && !(cr0 & X86_CR0_PE), "guest CR0: PG is set without PE");
    WRONG((caps->cr4_fixed0 & ~cr4) || (cr4 & ~caps->cr4_fixed1),
          "guest CR4: a bit that VT-x or this CPU does not allow");
    WRONG(long_mode && !paging, "guest CR0: PG is clear in long mode");
    WRONG(long_mode && !(cr4 & X86_CR4_PAE), "guest CR4: PAE is clear in long mode");
    WRONG(!long_mode && (cr4 & CR4_PCIDE), "guest CR4: PCIDE is set outside long mode");
    WRONG(get(c, VMCS_GUEST_CR3) >> c->physical_bits,
          "guest CR3: bits above the address width are set");
    WRONG(get(c, VMCS_GUEST_DR7) & UPPER_HALF, "guest DR7: bits above 31 are set");
    WRONG(!canonical(get(c, VMCS_GUEST_SYSENTER_ESP)), "guest IA32_SYSENTER_ESP: not canonical");
    WRONG(!canonical(get(c, VMCS_GUEST_SYSENTER_EIP)), "guest IA32_SYSENTER_EIP: not canonical");
    WRONG(pat_bad(get(c, VMCS_GUEST_PAT)), "guest IA32_PAT: a memory type that does not exist");
    WRONG(efer & ~EFER_VALID, "guest IA32_EFER: reserved bits are set");
    WRONG(!!(efer & X86_EFER_LMA) != long_mode, "guest IA32_EFER: LMA is not as the entry's mode");
    WRONG(paging && !!(efer & X86_EFER_LME) != !!(efer & X86_EFER_LMA),
          "guest IA32_EFER: LME is not as LMA though paging is on");

    return NULL;
}

/* Granularity: a limit above 1 MiB needs G, one whose low bits are not all ones must not have it.
 */
static bool limit_bad(uint64_t limit, uint64_t access)
{
    return (limit & PAGE_BITS) != PAGE_BITS ? access & ACCESS_G
                                            : (limit & BITS(31, 20)) && !(access & ACCESS_G);
}

static bool segment_bad(const struct vmx_check *c, unsigned i)
{
    uint64_t access = get(c, VMCS_SEGMENT(VMCS_GUEST_ACCESS, i));

    if (access & VMX_ACCESS_UNUSABLE)
        return false;
    return (access & ACCESS_RESERVED) || !(access & ACCESS_PRESENT) ||
           limit_bad(get(c, VMCS_SEGMENT(VMCS_GUEST_LIMIT, i)), access);
}

static bool code_bad(uint64_t access, uint64_t ss_access, bool long_mode)
{
    unsigned type = ACCESS_TYPE(access), dpl = ACCESS_DPL(access);

    if ((access & VMX_ACCESS_UNUSABLE) || !(access & ACCESS_S))
        return true;
    if (long_mode && (access & ACCESS_LONG) && (access & ACCESS_DEFAULT))
        return true;
    if (type == 3)
        return dpl;
    if (type == 9 || type == 11)
        return dpl != ACCESS_DPL(ss_access);
    return (type != 13 && type != 15) || dpl > ACCESS_DPL(ss_access);
}

static bool stack_bad(uint64_t access)
{
    return !(access & VMX_ACCESS_UNUSABLE) &&
           (!(access & ACCESS_S) || (ACCESS_TYPE(access) != 3 && ACCESS_TYPE(access) != 7));
}

static bool data_bad(uint64_t access)
{
    return !(access & VMX_ACCESS_UNUSABLE) &&
           (!(access & ACCESS_S) || !(access & 1) || ((access & ACCESS_CODE) && !(access & 2)));
}

static bool task_bad(uint64_t access, bool long_mode)
{
    unsigned type = ACCESS_TYPE(access);

    return (access & (VMX_ACCESS_UNUSABLE | ACCESS_S)) ||
           !(type == 11 || (type == 3 && !long_mode));
}

static bool ldt_bad(uint64_t access)
{
    return !(access & VMX_ACCESS_UNUSABLE) && ((access & ACCESS_S) || ACCESS_TYPE(access) != 2);
}

static const char *guest_segments_invalid(const struct vmx_check *c)
{
    uint64_t access[X86_SEGMENT_COUNT];
    bool long_mode = get(c, VMCS_ENTRY_CONTROLS) & VMX_ENTRY_LONG_MODE;

    for (unsigned i = 0; i < X86_SEGMENT_COUNT; i++)
        access[i] = get(c, VMCS_SEGMENT(VMCS_GUEST_ACCESS, i));

    WRONG(get(c, VMCS_SEGMENT(VMCS_GUEST_SELECTOR, X86_TR)) & SELECTOR_TI,
          "guest TR selector: TI is set");
    WRONG(!canonical(get(c, VMCS_SEGMENT(VMCS_GUEST_BASE, X86_TR))),
          "guest TR base: not canonical");
    WRONG(!canonical(get(c, VMCS_SEGMENT(VMCS_GUEST_BASE, X86_FS))),
          "guest FS base: not canonical");
    WRONG(!canonical(get(c, VMCS_SEGMENT(VMCS_GUEST_BASE, X86_GS))),
          "guest GS base: not canonical");
    WRONG(get(c, VMCS_SEGMENT(VMCS_GUEST_BASE, X86_CS)) & UPPER_HALF,
          "guest CS base: bits above 31 are set");
    WRONG(code_bad(access[X86_CS], access[X86_SS], long_mode) || segment_bad(c, X86_CS),
          "guest CS access rights: not those of a code segment of this mode");
    WRONG(stack_bad(access[X86_SS]) || segment_bad(c, X86_SS),
          "guest SS access rights: not those of a stack segment");
    WRONG(data_bad(access[X86_DS]) || segment_bad(c, X86_DS),
          "guest DS access rights: not those of a data segment");
    WRONG(data_bad(access[X86_ES]) || segment_bad(c, X86_ES),
          "guest ES access rights: not those of a data segment");
    WRONG(data_bad(access[X86_FS]) || segment_bad(c, X86_FS),
          "guest FS access rights: not those of a data segment");
    WRONG(data_bad(access[X86_GS]) || segment_bad(c, X86_GS),
          "guest GS access rights: not those of a data segment");
    WRONG(task_bad(access[X86_TR], long_mode) || segment_bad(c, X86_TR),
          "guest TR access rights: not those of a busy task");
    WRONG(ldt_bad(access[X86_LDTR]) || segment_bad(c, X86_LDTR),
          "guest LDTR access rights: not those of a local descriptor table");
    WRONG(!canonical(get(c, VMCS_GUEST_GDTR_BASE)), "guest GDTR base: not canonical");
    WRONG(!canonical(get(c, VMCS_GUEST_IDTR_BASE)), "guest IDTR base: not canonical");
    WRONG(get(c, VMCS_GUEST_GDTR_LIMIT) >> 16, "guest GDTR limit: bits above 15 are set");
    WRONG(get(c, VMCS_GUEST_IDTR_LIMIT) >> 16, "guest IDTR limit: bits above 15 are set");

    return NULL;
}

static const char *guest_rest_invalid(const struct vmx_check *c)
{
    uint64_t rip = get(c, VMCS_GUEST_RIP), rflags = get(c, VMCS_GUEST_RFLAGS),
             blocking = get(c, VMCS_GUEST_INTERRUPTIBILITY), event = get(c, VMCS_ENTRY_EVENT),
             cs = get(c, VMCS_SEGMENT(VMCS_GUEST_ACCESS, X86_CS));
    bool long_mode = get(c, VMCS_ENTRY_CONTROLS) & VMX_ENTRY_LONG_MODE,
         shadow = blocking & (VMX_BLOCKING_STI | VMX_BLOCKING_MOV_SS),
         interrupt = (event & VMX_EVENT_VALID) && VMX_EVENT_TYPE(event) == X86_EVENT_INTERRUPT,
         nmi = (event & VMX_EVENT_VALID) && VMX_EVENT_TYPE(event) == X86_EVENT_NMI,
         step = rflags & RFLAGS_TF;

    WRONG((!long_mode || !(cs & ACCESS_LONG)) && (rip & UPPER_HALF),
          "guest RIP: bits above 31 are set");
    WRONG(!canonical(rip), "guest RIP: not canonical");
    WRONG((rflags & RFLAGS_RESERVED) || !(rflags & X86_RFLAGS_FIXED),
          "guest RFLAGS: a reserved bit is not as it must be");
    WRONG((rflags & RFLAGS_VM) && long_mode, "guest RFLAGS: VM is set in long mode");
    WRONG(interrupt && !(rflags & X86_RFLAGS_IF), "guest RFLAGS: IF is clear for an interrupt");
    WRONG(get(c, VMCS_GUEST_ACTIVITY) > LAST_ACTIVITY,
          "guest activity state: there is no such one");
    WRONG(blocking & BLOCKING_RESERVED, "guest interruptibility state: reserved bits are set");
    WRONG((blocking & VMX_BLOCKING_STI) && (blocking & VMX_BLOCKING_MOV_SS),
          "guest interruptibility state: blocking by STI and by MOV SS at once");
    WRONG((blocking & VMX_BLOCKING_STI) && !(rflags & X86_RFLAGS_IF),
          "guest interruptibility state: blocking by STI though IF is clear");
    WRONG(shadow && interrupt, "guest interruptibility state: it blocks the interrupt");
    WRONG(nmi && (blocking & (VMX_BLOCKING_MOV_SS | VMX_BLOCKING_NMI)),
          "guest interruptibility state: it blocks the NMI");
    WRONG(shadow && !!(get(c, VMCS_GUEST_PENDING_DEBUG) & VMX_PENDING_BS) != step,
          "guest pending debug exceptions: BS is not as TF");
    WRONG(get(c, VMCS_LINK_POINTER) != UINT64_MAX, "VMCS link pointer: it is used");

    return NULL;
}

const char *vmx_invalid_guest(const struct vmx_check *c)
{
    const char *text = guest_control_invalid(c);

    if (!text)
        text = guest_segments_invalid(c);
    if (!text)
        text = guest_rest_invalid(c);
    return text ? text : "guest state: refused though every field that is checked here is right";
}
