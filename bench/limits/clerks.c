/* This file is about many askers at once, each of whom asks again when the answer is there.
 *
 *   clerks redis PORT ASKERS SIZE       RPUSH of SIZE bytes
 *   clerks links - ASKERS SCRIPT... FD...   open links taken over; a script for each
 *
 * Then on standard input: `run COUNT` asks COUNT times in all. For links, what came is kept in SCRIPT.answers, so that it can be
 * opened and looked at.
 */
#include "tcp.h"

enum { MOST = 1000, PATIENCE = 30 };

static struct conn conns[MOST];
static struct script scripts[MOST];
static FILE *answers[MOST];
static double asked_at[MOST];
static int askers, poll_fd;
static char request[1 << 16];
static size_t request_size;

static void ask(int who)
{
    size_t size = request_size;
    char *piece = scripts[who].data ? next_piece(&scripts[who], &size) : request;
    asked_at[who] = now();
    send_all(conns[who].fd, piece, size);
}

static void run(long count)
{
    struct epoll_event events[256];
    long asked = 0, answered = 0;
    double *took = malloc(count * sizeof *took), before = now(), cpu_before = cpu();
    for (; asked < askers && asked < count; asked++)
        ask(asked);
    while (answered < count) {
        int ready = epoll_wait(poll_fd, events, 256, PATIENCE * 1000);
        if (ready <= 0) {
            errno = 0;
            die("nothing came for 30 s");
        }
        for (int i = 0; i < ready; i++) {
            int who = events[i].data.u32;
            ssize_t got = pull(&conns[who]);
            if (answers[who])
                fwrite(inbox, 1, got, answers[who]);
            for (long new = count_new(&conns[who], got); new > 0; new--) {
                took[answered++] = now() - asked_at[who];
                if (asked < count)
                    ask(who), asked++;
            }
        }
    }
    double seconds = now() - before, spent = cpu() - cpu_before;
    for (int i = 0; i < askers; i++)
        if (answers[i])
            fflush(answers[i]);
    printf("{\"count\": %ld, \"seconds\": %.6f, \"rate\": %.1f, \"cpu\": %.6f, \"p50\": %.9f, \"p99\": %.9f}\n", count,
           seconds, count / seconds, spent, quantile(took, count, 0.5), quantile(took, count, 0.99));
    free(took);
}

int main(int argc, char **argv)
{
    char word[128], path[4096];
    end_with_parent();
    if (argc < 5 || (askers = atoi(argv[3])) > MOST)
        return 2;
    int is_links = !strcmp(argv[1], "links");
    poll_fd = epoll_create1(0), marker = '\n', frame_kind = is_links ? 7 : 0; /* SEALED */
    if (!is_links) {
        int size = atoi(argv[4]);
        request_size = sprintf(request, "*3\r\n$5\r\nRPUSH\r\n$3\r\nbox\r\n$%d\r\n", size);
        memset(request + request_size, 'x', size);
        request_size += size, request_size += sprintf(request + request_size, "\r\n");
    }
    for (int i = 0; i < askers; i++) {
        conns[i].fd = is_links ? atoi(argv[4 + askers + i]) : connected(atoi(argv[2]));
        set_up(conns[i].fd);
        if (is_links) {
            scripts[i] = script_of(argv[4 + i]);
            snprintf(path, sizeof path, "%s.answers", argv[4 + i]);
            answers[i] = fopen(path, "wb");
        }
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = i};
        epoll_ctl(poll_fd, EPOLL_CTL_ADD, conns[i].fd, &event);
    }
    puts("{}");
    while (fgets(word, sizeof word, stdin)) {
        long count;
        if (sscanf(word, "run %ld", &count) == 1)
            run(count);
    }
    return 0;
}
