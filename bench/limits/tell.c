/* This file is about the least that one datagram to many addresses can cost: sendmmsg, 64 at a time.
 *
 *   tell PORT DATAGRAM ADDRESSES    two files: the bytes; lines of "host port". Sends once a line on standard input.
 */
#include "common.h"

enum { MOST = 20000, AT_ONCE = 64 };

static struct sockaddr_in addresses[MOST];
static struct mmsghdr messages[MOST];

int main(int argc, char **argv)
{
    char data[2048], host[64], line[64];
    int count = 0, port;
    end_with_parent();
    if (argc != 4)
        return 2;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1]))};
    if (bind(fd, (struct sockaddr *)&own, sizeof own) < 0)
        die("bind");
    FILE *file = fopen(argv[2], "rb");
    size_t size = file ? fread(data, 1, sizeof data, file) : 0;
    struct iovec piece = {data, size};
    if (!(file = fopen(argv[3], "r")))
        die(argv[3]);
    while (count < MOST && fscanf(file, "%63s %d", host, &port) == 2) {
        addresses[count].sin_family = AF_INET;
        addresses[count].sin_port = htons(port);
        inet_pton(AF_INET, host, &addresses[count].sin_addr);
        messages[count].msg_hdr = (struct msghdr){
            .msg_name = &addresses[count], .msg_namelen = sizeof own, .msg_iov = &piece, .msg_iovlen = 1};
        count++;
    }
    puts("ready");
    while (fgets(line, sizeof line, stdin)) {
        double cpu_before = cpu(), before = now();
        for (int sent = 0; sent < count;) {
            int left = count - sent, done = sendmmsg(fd, messages + sent, left < AT_ONCE ? left : AT_ONCE, 0);
            if (done < 0)
                die("sendmmsg");
            sent += done;
        }
        printf("{\"seconds\": %.6f, \"cpu\": %.6f}\n", now() - before, cpu() - cpu_before);
    }
    return 0;
}
