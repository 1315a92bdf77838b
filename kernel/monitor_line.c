/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* The line editor: see kernel/monitor_line.h. Keys are those of readline's Emacs mode. */
#include "kernel/monitor_line.h"

#include <string.h>

#define CTRL(c)         ((c) - '@')
#define ESC             0x1b
#define BACKSPACE       0x08
#define DELETE_BACK     0x7f
#define ERASE_TO_END    "\033[K"
#define CLEAR_SCREEN    "\033[H\033[2J"
#define CANDIDATES_LINE 76 /* columns of a list of candidates */

/* ---- Characters ---- */

static bool is_continuation(char c)
{
    return ((uint8_t)c & 0xc0) == 0x80;
}

static size_t next_char(const struct line_editor *e, size_t at)
{
    if (at < e->length)
        at++;
    while (at < e->length && is_continuation(e->text[at]))
        at++;
    return at;
}

static size_t previous_char(const struct line_editor *e, size_t at)
{
    if (at)
        at--;
    while (at && is_continuation(e->text[at]))
        at--;
    return at;
}

static size_t columns(const struct line_editor *e, size_t from, size_t to)
{
    size_t n = 0;
    for (size_t i = from; i < to; i++)
        n += !is_continuation(e->text[i]);
    return n;
}

static size_t word_left(const struct line_editor *e)
{
    size_t at = e->cursor;
    while (at && e->text[at - 1] == ' ')
        at--;
    while (at && e->text[at - 1] != ' ')
        at--;
    return at;
}

static size_t word_right(const struct line_editor *e)
{
    size_t at = e->cursor;
    while (at < e->length && e->text[at] == ' ')
        at++;
    while (at < e->length && e->text[at] != ' ')
        at++;
    return at;
}

/* ---- Drawing ---- */

/* Moves the window so that the cursor is in it. */
static void scroll_view(struct line_editor *e)
{
    if (e->view > e->length || e->cursor < e->view)
        e->view = e->cursor;
    while (columns(e, e->view, e->cursor) >= LINE_COLUMNS)
        e->view = next_char(e, e->view);
    if (e->view && columns(e, e->view, e->length) < LINE_COLUMNS / 2) {
        size_t back = previous_char(e, e->view);
        while (back != e->view && columns(e, back, e->length) < LINE_COLUMNS) {
            e->view = back;
            back = previous_char(e, back);
        }
    }
}

/* Fills `shown`: what draws the line on any terminal, wherever its cursor stands in that line. */
static void compose(struct line_editor *e)
{
    struct out_buffer b;
    scroll_view(e);
    size_t end = e->view;
    while (end < e->length && columns(e, e->view, end) < LINE_COLUMNS)
        end = next_char(e, end);
    out_buffer_init(&b, e->shown, sizeof(e->shown));
    out_printf(&b.out, "\r%s", e->prompt);
    out_write(&b.out, e->text + e->view, end - e->view);
    out_printf(&b.out, ERASE_TO_END);
    if (e->cursor < end) {
        size_t column = strlen(e->prompt) + columns(e, e->view, e->cursor);
        out_printf(&b.out, "\r\033[%uC", (unsigned)column);
    }
    e->shown_length = b.used;
}

static void redraw(struct line_editor *e, struct out *out)
{
    compose(e);
    out_write(out, e->shown, e->shown_length);
}

/* ---- Changes ---- */

static void erase(struct line_editor *e, size_t from, size_t to)
{
    memmove(e->text + from, e->text + to, e->length - to);
    e->length -= to - from;
    e->text[e->length] = 0;
    e->cursor = from;
}

static void kill_text(struct line_editor *e, size_t from, size_t to)
{
    if (from == to)
        return;
    memcpy(e->killed, e->text + from, to - from);
    e->killed[to - from] = 0;
    erase(e, from, to);
}

static void insert(struct line_editor *e, const char *text, size_t n)
{
    if (n > LINE_SIZE - 1 - e->length)
        return;
    memmove(e->text + e->cursor + n, e->text + e->cursor, e->length - e->cursor);
    memcpy(e->text + e->cursor, text, n);
    e->cursor += n;
    e->length += n;
    e->text[e->length] = 0;
}

/* A typed character: at the end of a line that fits, only the character itself goes out. */
static void type(struct line_editor *e, char c, struct out *out)
{
    bool at_end = e->cursor == e->length;
    size_t before = e->length;
    insert(e, &c, 1);
    if (at_end && e->length > before && !e->view && columns(e, 0, e->length) < LINE_COLUMNS) {
        out_write(out, &c, 1);
        compose(e);
    } else {
        redraw(e, out);
    }
}

/* ---- History ---- */

static void set_line(struct line_editor *e, const char *text)
{
    e->length = strlen(text);
    memcpy(e->text, text, e->length + 1);
    e->cursor = e->length;
    e->view = 0;
}

static void history_add(struct line_editor *e)
{
    const char *last = e->history[(e->history_count - 1) % LINE_HISTORY];
    if (e->length == 0 || (e->history_count && strcmp(last, e->text) == 0))
        return;
    memcpy(e->history[e->history_count++ % LINE_HISTORY], e->text, e->length + 1);
}

static void history_move(struct line_editor *e, bool older)
{
    unsigned oldest = e->history_count > LINE_HISTORY ? e->history_count - LINE_HISTORY : 0;
    if (older ? e->history_at == oldest : e->history_at == e->history_count)
        return;
    if (e->history_at == e->history_count)
        memcpy(e->typed, e->text, e->length + 1);
    e->history_at = older ? e->history_at - 1 : e->history_at + 1;
    set_line(e, e->history_at == e->history_count ? e->typed
                                                  : e->history[e->history_at % LINE_HISTORY]);
}

/* ---- Completion ---- */

struct completion {
    const char *word; /* what is typed of it */
    size_t length;
    char common[LINE_SIZE]; /* what all candidates begin with */
    unsigned count;
    struct out *list; /* NULL, or where candidates are listed */
    unsigned column;
};

static void consider(const char *word, void *arg)
{
    struct completion *c = arg;
    size_t n = strlen(word);
    if (n >= sizeof(c->common) || n < c->length || memcmp(word, c->word, c->length) != 0)
        return;
    if (c->list) {
        if (c->column && c->column + n + 2 > CANDIDATES_LINE) {
            out_printf(c->list, "\n");
            c->column = 0;
        }
        out_printf(c->list, "%s%s", c->column ? "  " : "", word);
        c->column += (unsigned)n + 2;
    }
    if (c->count++ == 0) {
        memcpy(c->common, word, n + 1);
        return;
    }
    size_t same = 0;
    while (c->common[same] && c->common[same] == word[same])
        same++;
    c->common[same] = 0;
}

static void list_candidates(struct line_editor *e, size_t start, struct completion *c,
                            struct out *out)
{
    c->list = out;
    out_printf(out, "\n");
    e->complete(e->text, start, consider, c);
    out_printf(out, "\n");
}

static void complete(struct line_editor *e, struct out *out)
{
    size_t start = e->cursor;
    while (start && e->text[start - 1] != ' ')
        start--;
    struct completion c = {.word = e->text + start, .length = e->cursor - start};
    if (!e->complete)
        return;
    e->complete(e->text, start, consider, &c);
    size_t more = c.count ? strlen(c.common) - c.length : 0;
    if (more)
        insert(e, c.common + c.length, more);
    else if (c.count > 1 && e->after_tab)
        list_candidates(e, start, &c, out);
    if (c.count == 1)
        insert(e, " ", 1);
    redraw(e, out);
}

/* ---- Keys ---- */

enum key {
    KEY_NONE,
    KEY_LEFT,
    KEY_RIGHT,
    KEY_UP,
    KEY_DOWN,
    KEY_HOME,
    KEY_END,
    KEY_DELETE,
    KEY_WORD_LEFT,
    KEY_WORD_RIGHT,
    KEY_KILL_WORD_LEFT,
    KEY_KILL_WORD_RIGHT,
};

static const struct {
    const char *sequence; /* after ESC */
    enum key key;
} sequences[] = {
    {"[A", KEY_UP},
    {"[B", KEY_DOWN},
    {"[C", KEY_RIGHT},
    {"[D", KEY_LEFT},
    {"[H", KEY_HOME},
    {"[F", KEY_END},
    {"OA", KEY_UP},
    {"OB", KEY_DOWN},
    {"OC", KEY_RIGHT},
    {"OD", KEY_LEFT},
    {"OH", KEY_HOME},
    {"OF", KEY_END},
    {"[1~", KEY_HOME},
    {"[7~", KEY_HOME},
    {"[4~", KEY_END},
    {"[8~", KEY_END},
    {"[3~", KEY_DELETE},
    {"[1;5D", KEY_WORD_LEFT},
    {"[1;5C", KEY_WORD_RIGHT},
    {"[1;3D", KEY_WORD_LEFT},
    {"[1;3C", KEY_WORD_RIGHT},
    {"b", KEY_WORD_LEFT},
    {"f", KEY_WORD_RIGHT},
    {"d", KEY_KILL_WORD_RIGHT},
    {"\x7f", KEY_KILL_WORD_LEFT},
};

/* Adds a byte of an escape sequence; *key is set when it is complete. False while bytes are
 * missing. */
static bool escape_feed(struct line_editor *e, uint8_t byte, enum key *key)
{
    unsigned n = e->escape_length;
    *key = KEY_NONE;
    e->escape[n] = byte;
    e->escape_length++;
    if (n == 0) /* the ESC itself */
        return false;
    bool more =
        n == 1 ? byte == '[' || byte == 'O' : e->escape[1] == '[' && (byte < '@' || byte > '~');
    if (more && n + 1 < sizeof(e->escape))
        return false;
    for (size_t i = 0; i < ARRAY_SIZE(sequences); i++)
        if (strlen(sequences[i].sequence) == n &&
            memcmp(e->escape + 1, sequences[i].sequence, n) == 0)
            *key = sequences[i].key;
    e->escape_length = 0;
    return true;
}

static enum key control_key(uint8_t byte)
{
    switch (byte) {
    case CTRL('A'):
        return KEY_HOME;
    case CTRL('E'):
        return KEY_END;
    case CTRL('B'):
        return KEY_LEFT;
    case CTRL('F'):
        return KEY_RIGHT;
    case CTRL('P'):
        return KEY_UP;
    case CTRL('N'):
        return KEY_DOWN;
    case CTRL('D'):
        return KEY_DELETE;
    case CTRL('W'):
        return KEY_KILL_WORD_LEFT;
    default:
        return KEY_NONE;
    }
}

static void press(struct line_editor *e, enum key key)
{
    switch (key) {
    case KEY_NONE:
        break;
    case KEY_LEFT:
        e->cursor = previous_char(e, e->cursor);
        break;
    case KEY_RIGHT:
        e->cursor = next_char(e, e->cursor);
        break;
    case KEY_UP:
    case KEY_DOWN:
        history_move(e, key == KEY_UP);
        break;
    case KEY_HOME:
        e->cursor = 0;
        break;
    case KEY_END:
        e->cursor = e->length;
        break;
    case KEY_DELETE:
        erase(e, e->cursor, next_char(e, e->cursor));
        break;
    case KEY_WORD_LEFT:
        e->cursor = word_left(e);
        break;
    case KEY_WORD_RIGHT:
        e->cursor = word_right(e);
        break;
    case KEY_KILL_WORD_LEFT:
        kill_text(e, word_left(e), e->cursor);
        break;
    case KEY_KILL_WORD_RIGHT:
        kill_text(e, e->cursor, word_right(e));
        break;
    }
}

static enum line_event finish(struct line_editor *e, struct out *out)
{
    e->cursor = e->length;
    if (e->view)
        redraw(e, out);
    out_printf(out, "\n");
    e->shown_length = 0;
    history_add(e);
    return LINE_FINISHED;
}

static enum line_event cancel(struct line_editor *e, struct out *out)
{
    out_printf(out, "^C\n");
    e->length = e->cursor = 0;
    e->text[0] = 0;
    e->shown_length = 0;
    return LINE_CANCELLED;
}

/* Keys that change more than the cursor or a stretch of text. */
static void control(struct line_editor *e, uint8_t byte, struct out *out)
{
    switch (byte) {
    case BACKSPACE:
    case DELETE_BACK:
        erase(e, previous_char(e, e->cursor), e->cursor);
        break;
    case CTRL('K'):
        kill_text(e, e->cursor, e->length);
        break;
    case CTRL('U'):
        kill_text(e, 0, e->cursor);
        break;
    case CTRL('Y'):
        insert(e, e->killed, strlen(e->killed));
        break;
    case CTRL('L'):
        out_printf(out, CLEAR_SCREEN);
        break;
    default:
        press(e, control_key(byte));
    }
    redraw(e, out);
}

void line_init(struct line_editor *e, const char *prompt, line_complete_fn *complete_fn)
{
    memset(e, 0, sizeof(*e));
    e->prompt = prompt;
    e->complete = complete_fn;
}

void line_begin(struct line_editor *e, struct out *out)
{
    e->length = e->cursor = e->view = 0;
    e->text[0] = 0;
    e->history_at = e->history_count;
    redraw(e, out);
}

enum line_event line_feed(struct line_editor *e, uint8_t byte, struct out *out)
{
    enum key key;
    bool lf_of_crlf = byte == '\n' && e->after_cr;
    e->after_cr = byte == '\r';
    if (lf_of_crlf)
        return LINE_EDITING;
    if (e->escape_length || byte == ESC) {
        if (byte == ESC)
            e->escape_length = 0;
        if (escape_feed(e, byte, &key)) {
            press(e, key);
            redraw(e, out);
        }
    } else if (byte == '\r' || byte == '\n') {
        return finish(e, out);
    } else if (byte == CTRL('C')) {
        return cancel(e, out);
    } else if (byte == '\t') {
        complete(e, out);
    } else if (byte < ' ' || byte == DELETE_BACK) {
        control(e, byte, out);
    } else {
        type(e, (char)byte, out);
    }
    e->after_tab = byte == '\t';
    return LINE_EDITING;
}
