/* This file is about two people on c-toxcore, who reach each other by UDP on loopback.
 *
 *   tox receipts COUNT WINDOW   a message is settled by its read receipt; both sleep as long as the library says
 *   tox answers COUNT WINDOW    it is settled by an answer of bob's program; neither sleeps while they talk
 *
 * Bob is a process of his own.
 */
#include "common.h"
#include <sys/socket.h>
#include <sys/wait.h>
#include <tox/tox.h>

enum { TEXT = 100, PATIENCE = 100 };

struct address {
    uint8_t person[TOX_PUBLIC_KEY_SIZE], node[TOX_PUBLIC_KEY_SIZE];
    uint16_t port;
};

static int sleeps;
static long arrived, settled; /* messages at bob, and at alice */
static int is_there;

static void on_connection(Tox *tox, uint32_t friend, TOX_CONNECTION how, void *data)
{
    (void)tox, (void)friend, (void)data, is_there = how == TOX_CONNECTION_UDP;
}

static void on_receipt(Tox *tox, uint32_t friend, uint32_t message, void *data)
{
    (void)tox, (void)friend, (void)message, (void)data, settled += sleeps;
}

static int say(Tox *tox, const char *text, size_t size)
{
    return tox_friend_send_message(tox, 0, TOX_MESSAGE_TYPE_NORMAL, (const uint8_t *)text, size, NULL) != 0;
}

static void turn(Tox *tox)
{
    tox_iterate(tox, NULL);
    if (sleeps || !is_there)
        usleep(tox_iteration_interval(tox) * 1000);
}

static void on_message(Tox *tox, uint32_t friend, TOX_MESSAGE_TYPE kind, const uint8_t *text, size_t size, void *data)
{
    (void)friend, (void)kind, (void)text, (void)data;
    if (size == 1)
        settled++;
    else if (arrived++, !sleeps)
        while (!say(tox, "|", 1)) /* its queue is full */
            ;
}

static Tox *opened(int channel)
{
    struct Tox_Options *options = tox_options_new(NULL);
    struct address mine, theirs;
    tox_options_set_local_discovery_enabled(options, false);
    tox_options_set_ipv6_enabled(options, false);
    Tox *tox = tox_new(options, NULL);
    if (!tox)
        die("tox_new");
    tox_self_get_public_key(tox, mine.person), tox_self_get_dht_id(tox, mine.node);
    mine.port = tox_self_get_udp_port(tox, NULL);
    if (write(channel, &mine, sizeof mine) != sizeof mine || read(channel, &theirs, sizeof theirs) != sizeof theirs)
        die("the other end");
    tox_bootstrap(tox, "127.0.0.1", theirs.port, theirs.node, NULL);
    tox_friend_add_norequest(tox, theirs.person, NULL);
    tox_callback_friend_connection_status(tox, on_connection);
    tox_callback_friend_read_receipt(tox, on_receipt);
    tox_callback_friend_message(tox, on_message);
    for (double until = now() + PATIENCE; !is_there; turn(tox))
        if (now() > until)
            die("the two do not find each other");
    return tox;
}


/* Until the other end has nothing to wait for either. Prints what its CPU was while they talked. */
static void bob(int channel, long count)
{
    Tox *tox = opened(channel);
    double before = cpu();
    char byte;
    while (arrived < count)
        turn(tox);
    double spent = cpu() - before;
    while (recv(channel, &byte, 1, MSG_DONTWAIT) < 0)
        turn(tox);
    if (write(channel, &spent, sizeof spent) < 0)
        die("the other end");
    tox_kill(tox), exit(0);
}

int main(int argc, char **argv)
{
    int channel[2];
    char text[TEXT];
    end_with_parent();
    if (argc != 4 || socketpair(AF_UNIX, SOCK_STREAM, 0, channel) < 0)
        return 2;
    sleeps = !strcmp(argv[1], "receipts");
    long count = atol(argv[2]), window = atol(argv[3]), sent = 0, timed = 0;
    memset(text, 'x', TEXT);
    if (fork() == 0)
        end_with_parent(), bob(channel[1], count);
    Tox *tox = opened(channel[0]);
    double *sent_at = malloc(count * sizeof *sent_at), *took = malloc(count * sizeof *took), theirs;
    double before = now(), spent = cpu();
    while (settled < count) {
        for (; sent < count && sent - settled < window && say(tox, text, TEXT); sent++)
            sent_at[sent] = now();
        turn(tox);
        for (; timed < settled; timed++)
            took[timed] = now() - sent_at[timed];
    }
    double seconds = now() - before;
    spent = cpu() - spent;
    if (write(channel[0], "!", 1) != 1 || read(channel[0], &theirs, sizeof theirs) != sizeof theirs)
        die("bob failed");
    printf("{\"p50\": %.9f, \"rate\": %.1f, \"cpu\": %.6f}\n", quantile(took, count, 0.5), count / seconds, spent + theirs);
    tox_kill(tox), wait(NULL);
    return 0;
}
