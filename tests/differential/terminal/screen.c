/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/*
 * The screen's terminal as a filter: reads cases, prints what they show. A case is a line "COLUMNS
 * ROWS LENGTH" and LENGTH bytes; the answer is one line a row with each cell as CODE:COLOURS:
 * ATTRIBUTES in hexadecimal, then "ROW COLUMN HIDDEN", and the answers to the program in
 * hexadecimal.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/display/terminal.h"

#define REPLIES_MAX 4096

static char replies[REPLIES_MAX];
static size_t replied;

void *heap_zalloc_array(size_t count, size_t size)
{
    return calloc(count, size);
}

void heap_free(void *p)
{
    free(p);
}

static void reply(struct terminal *t, const char *text, size_t length)
{
    (void)t;
    for (size_t i = 0; i < length && replied < sizeof(replies); i++)
        replies[replied++] = text[i];
}

static void print(const struct terminal *t)
{
    for (unsigned row = 0; row < t->rows; row++) {
        for (unsigned i = 0; i < t->columns; i++) {
            struct cell c = terminal_row(t, row)[i];
            printf("%s%x:%x:%x", i ? " " : "", c.code, c.colours, c.attributes);
        }
        printf("\n");
    }
    printf("%u %u %u\n", t->row, t->column + (t->wrap_pending ? 1 : 0), t->cursor_hidden);
    for (size_t i = 0; i < replied; i++)
        printf("%02x", (unsigned char)replies[i]);
    printf("\n");
    fflush(stdout);
}

int main(void)
{
    unsigned columns, rows;
    size_t length;
    struct terminal t;

    while (scanf("%u %u %zu", &columns, &rows, &length) == 3) {
        char *text = malloc(length + 1);
        if (!text || getchar() != '\n' || fread(text, 1, length, stdin) != length ||
            terminal_init(&t, columns, rows) != ERR_OK)
            return 1;
        t.new_line = false;
        t.reply = reply;
        replied = 0;
        terminal_write(&t, text, length);
        print(&t);
        terminal_destroy(&t);
        free(text);
    }
    return 0;
}
