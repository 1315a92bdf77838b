/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * Vector instructions (RISC-V Unprivileged ISA 20240411, chapter 30): what of them is inline
 * (lift_vector.h), configuration, loads and stores. The rest is done in C (vector.h).
 */
#include "arch/riscv64/guest/lift_vector.h"

#define PROBE_BYTES 64u /* at most, in one */

static void leave_if(struct rv_lift *t, ir_value condition)
{
    ir_append(t->u, &(struct ir_op){.code = IR_leave_if,
                                    .type = IR_VOID,
                                    .attr = IR_LEAVE_INTERPRET,
                                    .arg = {condition},
                                    .imm = t->word});
}

static ir_value constant(struct rv_lift *t, uint64_t c)
{
    return ir_const(t->u, IR_I64, (int64_t)c);
}

/* ---- What is known of vtype, vl and vstart ---- */

void rv_lift_vector_begin(struct rv_lift *t, const struct dbt_frame *f)
{
    const struct rv_frame *r = f ? (const struct rv_frame *)f->cells : NULL;

    t->vector_known = r && !(r->vconfig & RV_VCONFIG_ILL) && rv_vlmax(r->vconfig & RV_VCONFIG_TYPE);
    t->vector_type = r ? (uint8_t)(r->vconfig & RV_VCONFIG_TYPE) : 0;
    t->vector_full = false;
}

/* Sets the state; `full`: 0 or 1, vl is VLMAX. */
static void set_config(struct rv_lift *t, uint64_t vtype, ir_value vl, ir_value full)
{
    ir_value config = ir_op2(t->u, IR_mul, IR_I64, full, constant(t, RV_VCONFIG_FULL));

    ir_set(t->u, RV_SLOT_VL, vl);
    ir_set(t->u, RV_SLOT_VTYPE, constant(t, vtype));
    ir_set(t->u, RV_SLOT_VSTART, constant(t, 0));
    ir_set(t->u, RV_SLOT_VCONFIG,
           ir_op2(t->u, IR_or, IR_I64, config, constant(t, vtype & RV_VCONFIG_TYPE)));
    if (rv_rd(t->word))
        rv_set_x(t, rv_rd(t->word), vl);
    t->vector_known = true;
    t->vector_type = (uint8_t)(vtype & RV_VCONFIG_TYPE);
}

static void set_constant(struct rv_lift *t, uint64_t vtype, unsigned vl)
{
    t->vector_full = vl == rv_vlmax(vtype);
    set_config(t, vtype, constant(t, vl), constant(t, t->vector_full));
}

/* rd and rs1 are x0: vl stays, which it does when VLMAX stays. */
static void keep_length(struct rv_lift *t, uint64_t vtype)
{
    unsigned vlmax = rv_vlmax(vtype);
    ir_value vl;

    if (t->vector_known && t->vector_full && rv_vlmax(t->vector_type) == vlmax) {
        set_constant(t, vtype, vlmax);
        return;
    }
    vl = ir_op2(t->u, IR_minu, IR_I64, ir_get(t->u, RV_SLOT_VL), constant(t, vlmax));
    t->vector_full = false;
    set_config(t, vtype, vl, ir_cmp(t->u, IR_I64, IR_EQ, vl, constant(t, vlmax)));
}

static void configure(struct rv_lift *t, enum rv_insn_id id)
{
    uint64_t vtype = t->word >> 20 & (id == RV_INSN_vsetivli ? 0x3ff : 0x7ff);
    unsigned vlmax = rv_vlmax(vtype), rs1 = rv_rs1(t->word);
    ir_value length;

    if (id == RV_INSN_vsetvl || !vlmax) {
        t->vector_known = t->vector_full = false;
        rv_lift_interpret(t);
    } else if (id == RV_INSN_vsetivli) {
        set_constant(t, vtype, MIN(rs1, vlmax));
    } else if (!rs1 && rv_rd(t->word)) {
        set_constant(t, vtype, vlmax);
    } else if (!rs1) {
        keep_length(t, vtype);
    } else {
        length = rv_get_x(t, rs1);
        t->vector_full = false;
        set_config(t, vtype, ir_op2(t->u, IR_minu, IR_I64, length, constant(t, vlmax)),
                   ir_cmp(t->u, IR_I64, IR_GEU, length, constant(t, vlmax)));
    }
}

/* vl is VLMAX behind this, vstart 0 and vtype what is known. */
static void prove(struct rv_lift *t)
{
    ir_value config;

    if (t->vector_full)
        return;
    config = ir_get(t->u, RV_SLOT_VCONFIG);
    leave_if(t, ir_cmp(t->u, IR_I64, IR_NE, config, constant(t, t->vector_type | RV_VCONFIG_FULL)));
    t->vector_full = true;
}

/* ---- Operands ---- */

ir_value rvl_scalar(struct rvl *v, unsigned size)
{
    unsigned n = v->vs1;
    ir_value e;

    switch (rv_insns[v->id].format) {
    case RV_FORMAT_VVX:
    case RV_FORMAT_VVXM:
    case RV_FORMAT_MVX:
    case RV_FORMAT_VMVX:
        e = rv_get_x(v->t, n);
        break;
    case RV_FORMAT_VVU:
    case RV_FORMAT_VVS:
        e = rvl_imm(v, n);
        break;
    case RV_FORMAT_VVF:
    case RV_FORMAT_VVFM:
    case RV_FORMAT_MVF:
    case RV_FORMAT_VMVF:
        e = ir_get(v->u, RV_SLOT_F0 + n);
        if (size == 2) {
            e = ir_convert(v->u, IR_unbox, IR_F32, IR_F64, e);
            e = ir_convert(v->u, IR_vfrom, IR_V128, IR_F32, e);
        } else {
            e = ir_convert(v->u, IR_vfrom, IR_V128, IR_F64, e);
        }
        return ir_vector(v->u, IR_vsplatl, IR_V128, rvl_int(size), 0, 0, e, 0, 0);
    default:
        e = rvl_imm(v, (uint64_t)((int64_t)(n ^ 16) - 16));
    }
    return ir_vector(v->u, IR_vsplat, IR_V128, rvl_int(size), 0, 0, e, 0, 0);
}

/* ---- Results ---- */

ir_value rvl_active(struct rvl *v, unsigned k, unsigned size)
{
    unsigned first = k * (RV_VLENB >> size);

    return ir_vector(v->u, IR_vexpand, IR_V128, rvl_int(size), 0, first % 64, v->mask[first / 64],
                     0, 0);
}

void rvl_put(struct rvl *v, unsigned k, unsigned size, int lmul, ir_value value)
{
    ir_value old = rvl_get(v, v->vd + k), part;

    if (!v->vm)
        value = ir_op3(v->u, IR_vselect, IR_V128, rvl_active(v, k, size), value, old);
    if (lmul < 0) {
        part = ir_vector(v->u, IR_vlane, IR_VOID, rvl_int((unsigned)(4 + lmul)), 0, 0, value, 0, 0);
        value =
            ir_vector(v->u, IR_vinsert, IR_V128, rvl_int((unsigned)(4 + lmul)), 0, 0, old, part, 0);
    }
    ir_set(v->u, RV_SLOT_V0 + v->vd + k, value);
}

void rvl_collect(struct rvl *v, ir_value bits[2], unsigned first, unsigned size, ir_value found)
{
    ir_value *to = &bits[first / 64];

    found = ir_vector(v->u, IR_vmask, IR_VOID, rvl_int(size), 0, 0, found, 0, 0);
    if (first % 64)
        found = rvl_int2(v, IR_shl, found, rvl_imm(v, first % 64));
    *to = *to ? rvl_int2(v, IR_or, *to, found) : found;
}

void rvl_put_mask(struct rvl *v, const ir_value bits[2])
{
    ir_value vd = rvl_get(v, v->vd), old, now;

    for (unsigned i = 0; i < 2 && 64 * i < v->vlmax; i++) {
        old = rvl_lane(v, vd, 3, i);
        now = bits[i];
        if (!v->vm)
            now = rvl_int2(v, IR_or, rvl_int2(v, IR_and, now, v->mask[i]),
                           rvl_int2(v, IR_andn, old, v->mask[i]));
        if (v->vlmax < 64)
            now = ir_append(v->u, &(struct ir_op){.code = IR_insert,
                                                  .type = IR_I64,
                                                  .arg = {old, now},
                                                  .imm = v->vlmax << 8});
        vd = ir_vector(v->u, IR_vinsert, IR_V128, IR_I64, 0, i, vd, now, 0);
    }
    ir_set(v->u, RV_SLOT_V0 + v->vd, vd);
}

/* ---- Memory: of consecutive bytes ---- */

static uint64_t field(const struct rvl *v, unsigned low, unsigned bits)
{
    return v->t->word >> low & (BIT(bits) - 1);
}

/* Up to 8 bytes into the lowest place of vd; other bytes stay. */
static void load_part(struct rvl *v, unsigned size, ir_value base)
{
    ir_value e = ir_load(v->u, IR_I64, rvl_int(size), 0, base, 0);

    ir_set(v->u, RV_SLOT_V0 + v->vd,
           ir_vector(v->u, IR_vinsert, IR_V128, rvl_int(size), 0, 0, rvl_get(v, v->vd), e, 0));
}

static void load_registers(struct rvl *v, unsigned count, unsigned size, ir_value base)
{
    ir_value loaded[RVL_REGISTERS];

    for (unsigned k = 0; k < count; k++)
        loaded[k] = ir_load(v->u, IR_V128, IR_V128, 0, base, (int64_t)(k * RV_VLENB));
    for (unsigned k = 0; k < count; k++)
        rvl_put(v, k, size, 0, loaded[k]);
}

static void probe(struct rvl *v, ir_value base, unsigned at, unsigned bytes)
{
    ir_append(v->u, &(struct ir_op){.code = IR_probe,
                                    .type = IR_VOID,
                                    .attr = (uint8_t)bytes,
                                    .attr2 = 1,
                                    .arg = {base},
                                    .imm = at});
}

/* More than one register: first it is seen that none of them faults. */
static void store_registers(struct rvl *v, unsigned count, ir_value base)
{
    unsigned bytes = count * RV_VLENB;
    uint8_t how = count > 1 ? IR_PROBED : 0;

    for (unsigned at = 0; count > 1 && at < bytes; at += PROBE_BYTES)
        probe(v, base, at, MIN(bytes - at, PROBE_BYTES));
    for (unsigned k = 0; k < count; k++)
        ir_store(v->u, IR_V128, IR_V128, how, base, (int64_t)(k * RV_VLENB), rvl_get(v, v->vd + k));
}

/* log2 of bytes, below 16. */
static void transfer_part(struct rvl *v, unsigned size, ir_value base)
{
    if (v->shape == RV_SHAPE_LOAD)
        load_part(v, size, base);
    else
        ir_store(v->u, IR_I64, rvl_int(size), 0, base, 0, rvl_lane(v, rvl_get(v, v->vd), size, 0));
}

static void transfer(struct rvl *v, unsigned count, unsigned size)
{
    ir_value base = rv_get_x(v->t, rv_rs1(v->t->word));

    if (v->shape == RV_SHAPE_LOAD)
        load_registers(v, count, size, base);
    else
        store_registers(v, count, base);
}

/* False: C does it. Stores of some elements only are C's: what is between belongs to others. */
static bool memory(struct rvl *v)
{
    unsigned width = rv_rm(v->t->word), size = width ? width - 4 : 0;
    int lmul = v->lmul + (int)size - (int)v->sew, bytes_log2;

    switch (v->op) {
    case RVO_MASK:
        bytes_log2 = v->vlmax <= 8 ? 0 : __builtin_ctz(v->vlmax) - 3;
        break;
    case RVO_UNIT:
    case RVO_FAULT_FIRST:
        if (field(v, 29, 3) || (!v->vm && (v->shape == RV_SHAPE_STORE || lmul < 0)))
            return false;
        bytes_log2 = 4 + lmul;
        break;
    default:
        return false;
    }
    if (bytes_log2 < 4)
        transfer_part(v, (unsigned)bytes_log2, rv_get_x(v->t, rv_rs1(v->t->word)));
    else
        transfer(v, 1u << (bytes_log2 - 4), size);
    return true;
}

/* Whole registers, for which vl and vtype do not count. */
static bool whole(struct rvl *v)
{
    ir_value vstart = ir_get(v->u, RV_SLOT_VSTART);
    ir_value moved[RVL_REGISTERS];
    unsigned count;

    if (v->shape != RV_SHAPE_WHOLE) {
        if (v->vd % (field(v, 29, 3) + 1))
            return false;
        if (!v->t->vector_full)
            leave_if(v->t, vstart);
        v->vm = true;
        transfer(v, (unsigned)field(v, 29, 3) + 1, 0);
        return true;
    }
    count = v->vs1 + 1;
    if (!v->t->vector_full || v->vd % count || v->vs2 % count)
        return false;
    for (unsigned k = 0; k < count; k++)
        moved[k] = rvl_get(v, v->vs2 + k);
    for (unsigned k = 0; k < count; k++)
        ir_set(v->u, RV_SLOT_V0 + v->vd + k, moved[k]);
    return true;
}

/* ---- One instruction ---- */

static bool ready(struct rv_lift *t)
{
    unsigned vs = (t->u->mode & RV_MODE_VS) >> RV_MODE_VS_SHIFT;

    if (!vs)
        rv_lift_illegal(t);
    else if (vs != RV_FS_DIRTY)
        rv_lift_interpret(t);
    return vs == RV_FS_DIRTY;
}

static bool is_whole(const struct rvl *v)
{
    return v->shape == RV_SHAPE_WHOLE ||
           ((v->shape == RV_SHAPE_LOAD || v->shape == RV_SHAPE_STORE) && v->op == RVO_WHOLE);
}

/* v0, before anything changes. */
static void take_mask(struct rvl *v)
{
    if (v->vm)
        return;
    v->mask[0] = rvl_lane(v, rvl_get(v, 0), 3, 0);
    if (v->vlmax > 64)
        v->mask[1] = rvl_lane(v, rvl_get(v, 0), 3, 1);
}

static bool inline_form(struct rvl *v)
{
    switch (v->shape) {
    case RV_SHAPE_LOAD:
    case RV_SHAPE_STORE:
        return memory(v);
    default:
        return rvl_integer(v) || rvl_move(v) || rvl_float(v);
    }
}

static bool lift_inline(struct rv_lift *t, enum rv_insn_id id)
{
    unsigned op = rv_vector_insns[id].op, before;
    bool proven = t->vector_full;
    struct rvl v = {.t = t,
                    .u = t->u,
                    .id = id,
                    .shape = rv_vector_insns[id].shape,
                    .op = op & RVO_CODE,
                    .is_signed_a = op & RVO_SIGNED_A,
                    .is_signed_b = op & RVO_SIGNED_B,
                    .vd = rv_rd(t->word),
                    .vs1 =
                        rv_insns[id].format == RV_FORMAT_VVS ? rv_imm_v6(t->word) : rv_rs1(t->word),
                    .vs2 = rv_rs2(t->word),
                    .vm = t->word >> 25 & 1,
                    .sew = RV_VTYPE_SEW(t->vector_type),
                    .lmul = RV_VTYPE_LMUL(t->vector_type),
                    .vlmax = rv_vlmax(t->vector_type)};

    if (is_whole(&v))
        return whole(&v);
    if (!t->vector_known || !rv_vector_is_legal(t->word, t->u->mode, t->vector_type))
        return false;
    before = t->u->op_count;
    prove(t);
    take_mask(&v);
    if (inline_form(&v))
        return true;
    t->u->blocks[t->u->block_count - 1].count -= (uint16_t)(t->u->op_count - before);
    t->u->op_count = before; /* proven for nobody */
    t->vector_full = proven;
    return false;
}

static void lift(struct rv_lift *t, enum rv_insn_id id)
{
    if (!ready(t))
        return;
    if (rv_vector_insns[id].shape == RV_SHAPE_CONFIG)
        configure(t, id);
    else if (!lift_inline(t, id))
        rv_lift_interpret(t);
}

#define RV(name, format, mask, match, extension)
#define RVV(name, format, mask, match, extension, shape, operation) \
    void rv_lift_##name(struct rv_lift *t)                          \
    {                                                               \
        lift(t, RV_INSN_##name);                                    \
    }
#include "arch/riscv64/guest/insns.def"
