// retina.c: the one main, with its table of commands.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "chat.h"
#include "connectors.h"
#include "decode.h"
#include "device.h"
#include "extract.h"
#include "generate.h"
#include "info.h"
#include "io/option.h"
#include "model/cpu.h"
#include "preprocess.h"
#include "random.h"
#include "tokenize.h"
#include "verbalize.h"
#include "version.h"
#include "world.h"
#include "zoo.h"

#ifndef RETINA_COMMIT
#define RETINA_COMMIT "unknown"
#endif

static const struct {
    const char *name, *help;
    int (*run)(int argc, char **argv); // what follows the command's name; the exit status
} commands[] = {
    {"connectors", "study: what a connector does to an image", run_connectors},
    {"verbalize", "study: a caption for every layer of a vision tower", run_verbalize},
    {"info", "what is in a model directory; every tap and its shape", run_info},
    {"extract", "read any taps of any model over pictures and texts", run_extract},
    {"generate", "text from a model, with pictures", run_generate},
    {"tokenize", "texts to token ids, and back", run_tokenize},
    {"chat", "the rendered prompt of a model's chat template", run_chat},
    {"preprocess", "pictures as the model's image processor returns them", run_preprocess},
    {"decode", "a picture as 8-bit RGB", run_decode},
    {"world", "draw the procedural world: pictures, captions, questions", run_world},
    {"zoo", "train a small model of the zoo on that world", run_zoo},
    {"random", "a complete model directory with random weights", run_random},
    {"bench", "how fast products, models, training, analysis and pictures are, against peers", run_bench},
};
#define COMMANDS (sizeof commands / sizeof *commands)

static void print_help(void) {
    printf("retina: how vision-language models see\n\nusage: retina COMMAND [options]\n\n");
    for (size_t i = 0; i < COMMANDS; i++) printf("  %-12s %s\n", commands[i].name, commands[i].help);
    printf("\nretina COMMAND --help lists a command's options; retina --version what this machine offers.\n");
}

// One of stdin, stdout and stderr that the caller closed would become the next file that is opened, and hold what is printed.
// What takes its place says no to every read of stdin and write to stdout, so that these are told.
static void hold_closed(void) {
    for (int fd = 0; fd < 3; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == 1 ? O_RDONLY : O_WRONLY) != fd) exit(1);
}

int main(int argc, char **argv) {
    hold_closed();
    if (argc < 2) {
        print_help();
        return 2;
    }
    const char *name = argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        print_help();
        stdout_end();
        return 0;
    }
    if (strcmp(name, "--version") == 0) {
        printf("retina %s, commit %s, compiler %s, instructions %s, devices %s\n", VERSION, RETINA_COMMIT, __VERSION__, cpu_describe(), device_built());
        stdout_end();
        return 0;
    }
    for (size_t i = 0; i < COMMANDS; i++)
        if (strcmp(commands[i].name, name) == 0) {
            int status = commands[i].run(argc - 2, argv + 2);
            stdout_end();
            return status;
        }
    const char *names[COMMANDS];
    for (size_t i = 0; i < COMMANDS; i++) names[i] = commands[i].name;
    const char *near = nearest_name(name, names, COMMANDS);
    if (near) die_usage("%s: no such command; did you mean %s?", name, near);
    die_usage("%s: no such command; `retina --help` lists them", name);
}
