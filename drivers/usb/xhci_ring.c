/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Memory that the controller reaches, and rings in it: see drivers/usb/xhci.h. DMA is coherent on
 * every host (kernel/host.h); barriers keep the order. Sections are those of xHCI 1.2. */
#include <string.h>

#include "drivers/usb/xhci.h"
#include "mm/page.h"

#define LINK_INDEX (XHCI_RING_SIZE - 1)

bool xhci_page_alloc(struct xhci *x, struct xhci_page *page)
{
    page->pa = page_alloc(0, PAGE_ZERO | (x->wide_addresses ? 0 : PAGE_BELOW_4G));
    page->at = page->pa.v ? phys_to_virt(page->pa) : NULL;
    return page->at != NULL;
}

void xhci_page_free(struct xhci_page *page)
{
    if (page->at)
        page_free(page->pa, 0);
    *page = (struct xhci_page){0};
}

bool xhci_ring_create(struct xhci *x, struct xhci_ring *ring)
{
    if (!xhci_page_alloc(x, &ring->page))
        return false;
    xhci_ring_reset(ring);
    return true;
}

void xhci_ring_reset(struct xhci_ring *ring)
{
    struct xhci_trb *trbs = ring->page.at;

    memset(trbs, 0, PAGE_SIZE);
    trbs[LINK_INDEX].parameter = ring->page.pa.v;
    ring->enqueue = 0;
    ring->cycle = true;
}

/* The cycle bit hands an entry over, so it is written after the rest (4.9.2). */
static void put(struct xhci_trb *trb, uint32_t control, bool cycle)
{
    host_barrier_write();
    WRITE_ONCE(trb->control, control | (cycle ? (uint32_t)TRB_CYCLE : 0));
}

hpa_t xhci_ring_add(struct xhci_ring *ring, uint64_t parameter, uint32_t status, uint32_t control)
{
    struct xhci_trb *trbs = ring->page.at, *trb = &trbs[ring->enqueue];
    hpa_t at = HPA(ring->page.pa.v + ring->enqueue * sizeof(*trb));

    trb->parameter = parameter;
    trb->status = status;
    put(trb, control, ring->cycle);
    if (++ring->enqueue == LINK_INDEX) {
        put(&trbs[LINK_INDEX], TRB_TYPE(TRB_LINK) | (uint32_t)TRB_TOGGLE, ring->cycle);
        ring->enqueue = 0;
        ring->cycle = !ring->cycle;
    }
    return at;
}

int xhci_ring_index(const struct xhci_ring *ring, uint64_t pa)
{
    uint64_t offset = pa - ring->page.pa.v;

    return offset < LINK_INDEX * sizeof(struct xhci_trb) && offset % sizeof(struct xhci_trb) == 0
               ? (int)(offset / sizeof(struct xhci_trb))
               : -1;
}
