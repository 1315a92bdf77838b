/* SPDX-License-Identifier: BSD-2-Clause-Patent */
/* Counts instructions of a benchmark by running it again under callgrind. */
#ifndef TESTS_BENCH_COUNTED_H
#define TESTS_BENCH_COUNTED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Runs this program with `argument` under callgrind; the instructions that it counted. */
static inline double counted(const char *program, const char *argument)
{
    char line[512];
    double instructions = 0;

    snprintf(line, sizeof(line),
             "valgrind --tool=callgrind --callgrind-out-file=/dev/null '%s' %s 2>&1", program,
             argument);
    FILE *output = popen(line, "r");
    while (output && fgets(line, sizeof(line), output)) {
        const char *figure = strstr(line, "Collected : ");
        if (figure)
            instructions = strtod(figure + strlen("Collected : "), NULL);
    }
    if (!output || pclose(output) || instructions <= 0) {
        fprintf(stderr, "valgrind did not count instructions: is it installed?\n");
        exit(1);
    }
    return instructions;
}

#endif
