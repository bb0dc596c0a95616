/* This file is about the load on a room: one sender, many receivers in this one process, every delivery counted.
 *
 *   room irc|nats|redis|mqtt|plain PORT RECEIVERS      connects and joins by itself
 *   room links - RECEIVERS SCRIPT FD...                takes open links over: receivers first, the sender last
 *
 * Then, a line each on standard input:
 *   run LINES WINDOW    send LINES, at most WINDOW of them on the way; a line has arrived when all receivers have it
 *   answer COUNT        the first receiver sends to the second, which answers (irc only, two receivers)
 */
#include "tcp.h"

enum { MOST = 16000, PATIENCE = 30, TEXT = 100, WINDOWS = 4096, AT_ONCE = 512 };

static const char *const names[] = {"irc", "nats", "redis", "mqtt", "plain", "links"};
enum protocol { IRC, NATS, REDIS, MQTT, PLAIN, LINKS } protocol;

static struct conn conns[MOST + 1];
static int receivers, poll_fd;
static char text[TEXT + 1], line[512];
static size_t line_size;
static long joins;

static void watch(struct conn *c)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, c->fd, &event);
}

static int ready(struct epoll_event *events)
{
    int count = epoll_wait(poll_fd, events, AT_ONCE, PATIENCE * 1000);
    if (count <= 0) {
        errno = 0;
        die("nothing came for 30 s");
    }
    return count;
}

/* --- joining: what is said at each step, and what ends the step */

static size_t say(struct conn *c, char *out, const char **until)
{
    static const char mqtt_connect[] = "\x10\x12\0\x04MQTT\x04\x02\0\0\0\x06";
    static const char mqtt_subscribe[] = "\x82\x09\0\x01\0\x04room\0";
    switch (protocol * 10 + c->step) {
    case IRC * 10:
        *until = " 001 ";
        return sprintf(out, "NICK p%05d\r\nUSER p 0 * :p\r\n", c->place);
    case IRC * 10 + 1:
        *until = " 366 ";
        return c->place < receivers ? (size_t)sprintf(out, "JOIN #room\r\n") : 0;
    case NATS * 10:
        *until = "PONG";
        return sprintf(out, "CONNECT {\"verbose\":false,\"pedantic\":false}\r\n%sPING\r\n",
                       c->place < receivers ? "SUB room 1\r\n" : "");
    case REDIS * 10:
        *until = c->place < receivers ? "room" : "PONG";
        return sprintf(out, c->place < receivers ? "SUBSCRIBE room\r\n" : "PING\r\n");
    case MQTT * 10:
        *until = "\x20\x02";
        memcpy(out, mqtt_connect, 14);
        return 14 + sprintf(out + 14, "p%05d", c->place);
    case MQTT * 10 + 1:
        *until = "\x90\x03";
        memcpy(out, mqtt_subscribe, 11);
        return c->place < receivers ? 11 : 0;
    case PLAIN * 10:
        *until = "\n";
        return -1; /* nothing to say, but something to wait for */
    }
    return 0;
}

static int count_of(const char *data, size_t size, const char *wanted)
{
    int count = 0;
    size_t length = strlen(wanted);
    for (const char *at = data, *end = data + size; (at = memmem(at, end - at, wanted, length)); at += length)
        count++;
    return count;
}

/* Goes on until nothing is left to say; true when it is in. */
static int speak(struct conn *c)
{
    char out[512];
    const char *until;
    size_t size = say(c, out, &until);
    if (size == 0)
        return 1;
    if (size != (size_t)-1)
        send_all(c->fd, out, size);
    return 0;
}

static int heard(struct conn *c, ssize_t got)
{
    static char both[sizeof c->tail + sizeof inbox];
    char out[512];
    const char *until = "";
    size_t size = c->tail_size + got;
    memcpy(both, c->tail, c->tail_size);
    memcpy(both + c->tail_size, inbox, got);
    if (protocol == IRC)
        joins += count_of(both, size, " JOIN ") - count_of(c->tail, c->tail_size, " JOIN ");
    int is_in = 0;
    if (c->step >= 0) {
        say(c, out, &until);
        if (memmem(both, size, until, strlen(until))) {
            c->step++;
            is_in = speak(c);
            if (is_in)
                c->step = -1;
        }
    }
    c->tail_size = size < sizeof c->tail ? size : sizeof c->tail - 1;
    memcpy(c->tail, both + size - c->tail_size, c->tail_size);
    return is_in;
}

/* Everybody in, and (irc) everybody told of everybody: each is named in the answer to their join or joins later. */
static void join(int port)
{
    struct epoll_event events[AT_ONCE];
    int started = 0, in = 0, all = receivers + 1;
    int joining = protocol == IRC ? 8 : 128; /* ngircd listens with a backlog of 10: more would wait for SYNs sent again */
    long due = protocol == IRC ? (long)receivers * (receivers + 1) / 2 : 0;
    while (in < all || joins < due) {
        while (started < all && started - in < joining) {
            struct conn *c = &conns[started];
            c->place = started++, c->fd = connected(port);
            watch(c);
            in += speak(c);
        }
        for (int i = 0, count = ready(events); i < count; i++) {
            struct conn *c = events[i].data.ptr;
            ssize_t got = pull(c);
            if (got)
                in += heard(c, got);
        }
    }
}

static void take_over(char **fds)
{
    for (int i = 0; i <= receivers; i++) {
        conns[i].place = i, conns[i].fd = atoi(fds[i]);
        set_up(conns[i].fd);
        watch(&conns[i]);
    }
}

/* --- the line that is sent */

static void compose(const char *to)
{
    memset(text, 'x', TEXT);
    text[TEXT / 2] = marker;
    if (protocol == IRC)
        line_size = sprintf(line, "PRIVMSG %s :%s\r\n", to, text);
    else if (protocol == NATS)
        line_size = sprintf(line, "PUB room %d\r\n%s\r\n", TEXT, text);
    else if (protocol == REDIS)
        line_size = sprintf(line, "*3\r\n$7\r\nPUBLISH\r\n$4\r\nroom\r\n$%d\r\n%s\r\n", TEXT, text);
    else if (protocol == MQTT)
        line_size = sprintf(line, "%c%c%c%croom%s", 0x30, TEXT + 6, 0, 4, text);
    else
        line_size = sprintf(line, "%s\n", text);
}

static void run(struct script *script, long lines, int window)
{
    struct epoll_event events[AT_ONCE];
    static double sent_at[WINDOWS];
    static int missing[WINDOWS];
    long sent = 0, arrived = 0, base = conns[0].count;
    double *took = malloc(lines * sizeof *took), before = now(), cpu_before = cpu();
    struct conn *sender = &conns[receivers];
    while (arrived < lines) {
        while (sent < lines && sent - arrived < window) {
            sent_at[sent % WINDOWS] = now(), missing[sent % WINDOWS] = receivers;
            size_t size = line_size;
            char *piece = script->data ? next_piece(script, &size) : line;
            send_all(sender->fd, piece, size);
            sent++;
        }
        for (int i = 0, count = ready(events); i < count; i++) {
            struct conn *c = events[i].data.ptr;
            ssize_t got = pull(c);
            if (!got || c == sender)
                continue;
            for (long new = count_new(c, got); new > 0; new--) {
                long which = c->count++ - base;
                if (which >= sent) {
                    errno = 0;
                    die("more came than was sent");
                }
                if (--missing[which % WINDOWS] == 0)
                    took[arrived++] = now() - sent_at[which % WINDOWS];
            }
        }
    }
    double seconds = now() - before, spent = cpu() - cpu_before;
    printf("{\"lines\": %ld, \"deliveries\": %ld, \"seconds\": %.6f, \"cpu\": %.6f, \"p50\": %.9f, \"p99\": %.9f}\n",
           lines, lines * receivers, seconds, spent, quantile(took, lines, 0.5), quantile(took, lines, 0.99));
    free(took);
}

static void wait_for_one(struct conn *c)
{
    struct epoll_event events[AT_ONCE];
    for (long before = c->count; c->count == before;)
        for (int i = 0, count = ready(events); i < count; i++) {
            struct conn *one = events[i].data.ptr;
            ssize_t got = pull(one);
            if (got)
                one->count += count_new(one, got);
        }
}

static void answer(int count)
{
    double *took = malloc(count * sizeof *took);
    for (int i = 0; i < count; i++) {
        double start = now();
        compose("p00001");
        send_all(conns[0].fd, line, line_size);
        wait_for_one(&conns[1]);
        compose("p00000");
        send_all(conns[1].fd, line, line_size);
        wait_for_one(&conns[0]);
        took[i] = now() - start;
    }
    printf("{\"p50\": %.9f, \"p90\": %.9f}\n", quantile(took, count, 0.5), quantile(took, count, 0.9));
    compose("#room");
    free(took);
}

int main(int argc, char **argv)
{
    char word[512];
    struct script script = {0};
    end_with_parent();
    if (argc < 4 || (receivers = atoi(argv[3])) > MOST)
        return 2;
    while (strcmp(names[protocol], argv[1]))
        if (++protocol > LINKS)
            return 2;
    marker = '|', poll_fd = epoll_create1(0);
    double before = now();
    if (protocol == LINKS) {
        frame_kind = 9; /* GROUP_RELAYED */
        script = script_of(argv[4]);
        take_over(argv + 5);
    } else {
        join(atoi(argv[2]));
        compose("#room");
    }
    printf("{\"joined\": %.6f, \"cpu\": %.6f}\n", now() - before, cpu());
    while (fgets(word, sizeof word, stdin)) {
        long lines;
        int window;
        if (sscanf(word, "run %ld %d", &lines, &window) == 2)
            run(&script, lines, window);
        else if (sscanf(word, "answer %ld", &lines) == 1)
            answer(lines);
    }
    return 0;
}
