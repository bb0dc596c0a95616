/* This file is about two people who use a server of others: alice sends to bob, and each message is settled when bob's
 * program has answered (irc, nats, redis) or when the broker has acknowledged it (mqtt1, mqtt2: QoS 1 and 2).
 *
 *   exchange irc|nats|redis|mqtt1|mqtt2 PORT COUNT WINDOW
 *
 * Bob is a process of his own. What falls due in one turn is sent by one call.
 */
#include "tcp.h"
#include <sys/wait.h>

enum { TEXT = 100, PATIENCE = 30 };

static const char *const names[] = {"irc", "nats", "redis", "mqtt1", "mqtt2"};
static enum protocol { IRC, NATS, REDIS, MQTT1, MQTT2 } protocol;
static char out[1 << 18], text[TEXT + 1];
static size_t out_size;
static uint8_t packet[256]; /* an MQTT packet that is not whole yet */
static size_t packet_size;

static void put(const void *data, size_t size)
{
    if (out_size + size > sizeof out)
        die("too much in one turn");
    memcpy(out + out_size, data, size), out_size += size;
}

static void flush(int fd)
{
    if (out_size)
        send_all(fd, out, out_size);
    out_size = 0;
}

static ssize_t wait_for_more(struct conn *c)
{
    struct timeval patience = {PATIENCE, 0};
    setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    int on = 1;
    setsockopt(c->fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
    ssize_t got = recv(c->fd, inbox, sizeof inbox - 1, 0);
    if (got <= 0)
        die("the server is silent, or gone");
    inbox[got] = 0;
    return got;
}

static void wait_for(struct conn *c, const char *wanted, size_t length)
{
    while (!memmem(inbox, wait_for_more(c), wanted, length))
        ;
}

static void say_to(const char *name, const char *body, int size, int number)
{
    char line[256];
    int length = 0;
    if (protocol == IRC)
        length = sprintf(line, "PRIVMSG %s :%.*s\r\n", name, size, body);
    else if (protocol == NATS)
        length = sprintf(line, "PUB %s %d\r\n%.*s\r\n", name, size, size, body);
    else if (protocol == REDIS)
        length = sprintf(line, "*3\r\n$7\r\nPUBLISH\r\n$%zu\r\n%s\r\n$%d\r\n%.*s\r\n", strlen(name), name, size, size, body);
    else
        length = sprintf(line, "%c%c%c%c%s%c%c%.*s", protocol == MQTT1 ? 0x32 : 0x34, (int)strlen(name) + 4 + size, 0,
                         (int)strlen(name), name, number >> 8, number, size, body);
    put(line, length);
}

static void come_in(struct conn *c, int port, const char *name)
{
    char line[256];
    int length = strlen(name);
    c->fd = connected(port);
    if (protocol == IRC) {
        put(line, sprintf(line, "NICK %s\r\nUSER %s 0 * :p\r\n", name, name)), flush(c->fd);
        wait_for(c, " 001 ", 5);
    } else if (protocol == NATS) {
        put(line, sprintf(line, "CONNECT {\"verbose\":false,\"pedantic\":false}\r\nSUB %s 1\r\nPING\r\n", name)), flush(c->fd);
        wait_for(c, "PONG", 4);
    } else if (protocol == REDIS) { /* a subscriber may publish only in the third version of the protocol */
        put(line, sprintf(line, "HELLO 3\r\nSUBSCRIBE %s\r\nPING\r\n", name)), flush(c->fd);
        wait_for(c, "PONG", 4);
    } else {
        put("\x10", 1), put(&(char){12 + length}, 1), put("\0\x04MQTT\x04\x02\0\0\0", 11);
        put(&(char){length}, 1), put(name, length), flush(c->fd);
        wait_for(c, "\x20\x02", 2);
        put(line, sprintf(line, "%c%c%c%c%c%c%s%c", 0x82, length + 5, 0, 1, 0, length, name,
                          protocol == MQTT1 ? 1 : 2));
        flush(c->fd), wait_for(c, "\x90\x03", 2);
    }
}

/* Handles a whole MQTT packet; how many messages it settles here (at alice), or brings (at bob). */
static int handled(const uint8_t *data)
{
    uint8_t answer[4] = {0, 2, data[2], data[3]};
    if (data[0] >> 4 == 3) { /* PUBLISH: PUBACK, or PUBREC and more to come */
        size_t at = 4 + data[3];
        answer[0] = protocol == MQTT1 ? 0x40 : 0x50, answer[2] = data[at], answer[3] = data[at + 1];
        put(answer, 4);
        return protocol == MQTT1;
    }
    if (data[0] == 0x50) /* PUBREC: PUBREL */
        answer[0] = 0x62, put(answer, 4);
    else if (data[0] == 0x62) /* PUBREL: PUBCOMP */
        answer[0] = 0x70, put(answer, 4);
    return data[0] == 0x40 || data[0] == 0x62 || data[0] == 0x70;
}

static long count_packets(const uint8_t *data, ssize_t size)
{
    long count = 0;
    for (; size > 0; data++, size--) { /* no packet here has more than 127 bytes behind its head */
        packet[packet_size++] = *data;
        if (packet_size >= 2 && packet_size == 2u + packet[1])
            count += handled(packet), packet_size = 0;
    }
    return count;
}

static long take(struct conn *c)
{
    ssize_t got = wait_for_more(c);
    return protocol >= MQTT1 ? count_packets((uint8_t *)inbox, got) : count_marks(inbox, got);
}

static void bob(int port, long count, int ready)
{
    struct conn me = {0};
    come_in(&me, port, "bob");
    if (write(ready, "!", 1) != 1)
        die("pipe");
    for (long left = count; left > 0;) {
        long came = take(&me);
        for (long i = 0; protocol < MQTT1 && i < came; i++)
            say_to("alice", "|", 1, 0);
        flush(me.fd), left -= came;
    }
    exit(0);
}

int main(int argc, char **argv)
{
    int ready[2], status;
    char byte;
    struct conn me = {0};
    struct rusage theirs;
    end_with_parent();
    if (argc != 5 || pipe(ready) < 0)
        return 2;
    while (strcmp(names[protocol], argv[1]))
        if (++protocol > MQTT2)
            return 2;
    int port = atoi(argv[2]), window = atoi(argv[4]);
    long count = atol(argv[3]), sent = 0, settled = 0;
    marker = '|', memset(text, 'x', TEXT), text[TEXT / 2] = marker;
    if (fork() == 0)
        end_with_parent(), bob(port, count, ready[1]);
    close(ready[1]);
    come_in(&me, port, "alice");
    if (read(ready[0], &byte, 1) != 1)
        die("bob did not come in");
    double *sent_at = malloc(count * sizeof *sent_at), *took = malloc(count * sizeof *took), before = now(), spent = cpu();
    while (settled < count) {
        for (; sent < count && sent - settled < window; sent++)
            sent_at[sent] = now(), say_to("bob", text, TEXT, sent % 65535 + 1);
        flush(me.fd);
        long came = take(&me);
        for (double at = now(); came > 0; came--, settled++)
            took[settled] = at - sent_at[settled];
        flush(me.fd);
    }
    if (wait(&status) < 0 || status)
        die("bob failed");
    double seconds = now() - before;
    getrusage(RUSAGE_CHILDREN, &theirs);
    spent = cpu() - spent + theirs.ru_utime.tv_sec + theirs.ru_stime.tv_sec +
            (theirs.ru_utime.tv_usec + theirs.ru_stime.tv_usec) * 1e-6;
    printf("{\"p50\": %.9f, \"rate\": %.1f, \"cpu\": %.6f}\n", quantile(took, count, 0.5), count / seconds, spent);
    return 0;
}
