// retina.c: the one main, with its table of commands.
#include <stdio.h>

int main(int argc, char **argv) {
    (void)argc, (void)argv;
    return 0;
}
