/* This file is about the least that a promise of its own for each message can cost: append, fdatasync, again.
 *
 *   sync FILE COUNT SIZE
 */
#include "common.h"

int main(int argc, char **argv)
{
    end_with_parent();
    if (argc != 4)
        return 2;
    int fd = open(argv[1], O_WRONLY | O_CREAT | O_APPEND, 0600), count = atoi(argv[2]), size = atoi(argv[3]);
    char *data = calloc(1, size);
    double *took = malloc(count * sizeof *took), before = now();
    if (fd < 0)
        die(argv[1]);
    for (int i = 0; i < count; i++) {
        double start = now();
        if (write(fd, data, size) != size || fdatasync(fd) < 0)
            die("disk");
        took[i] = now() - start;
    }
    double seconds = now() - before;
    printf("{\"seconds\": %.6f, \"rate\": %.1f, \"p50\": %.9f}\n", seconds, count / seconds, quantile(took, count, 0.5));
    return 0;
}
