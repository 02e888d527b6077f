#include "CLinux.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "addresses.h"

static int set_option(int descriptor, int level, int option, int value) {
    return setsockopt(descriptor, level, option, &value, sizeof value) < 0 ? -errno : 0;
}

static int failed(int descriptor, int error) {
    close(descriptor);
    return error;
}

static int open_socket(uint8_t family) {
    int descriptor = socket(family == 6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return descriptor < 0 ? -errno : descriptor;
}

// Small messages leave at once, little waits in the kernel, and a peer that is gone is found within ten seconds.
static int tune(int descriptor) {
    struct { int level, option, value; } options[] = {
        {IPPROTO_TCP, TCP_NODELAY, 1},         {SOL_SOCKET, SO_KEEPALIVE, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, 5},        {IPPROTO_TCP, TCP_KEEPINTVL, 2},
        {IPPROTO_TCP, TCP_KEEPCNT, 2},         {IPPROTO_TCP, TCP_USER_TIMEOUT, 10000},
        {IPPROTO_TCP, TCP_NOTSENT_LOWAT, 32768},
    };
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        int result = set_option(descriptor, options[i].level, options[i].option, options[i].value);
        if (result < 0) return result;
    }
    return 0;
}

int linux_tcp_connect(const struct linux_address *address, const struct linux_address *source) {
    int descriptor = open_socket(address->family);
    if (descriptor < 0) return descriptor;
    int result = tune(descriptor);
    if (result < 0) return failed(descriptor, result);
    struct sockaddr_storage storage;
    socklen_t length;
    if (source->family != 0) {
        length = linux_to_sockaddr(source, &storage);
        if (bind(descriptor, (struct sockaddr *)&storage, length) < 0) return failed(descriptor, -errno);
    }
    length = linux_to_sockaddr(address, &storage);
    if (connect(descriptor, (struct sockaddr *)&storage, length) < 0 && errno != EINPROGRESS) {
        return failed(descriptor, -errno);
    }
    return descriptor;
}

int linux_tcp_listen(const struct linux_address *address, int backlog) {
    int descriptor = open_socket(address->family);
    if (descriptor < 0) return descriptor;
    int result = set_option(descriptor, SOL_SOCKET, SO_REUSEADDR, 1);
    if (result == 0 && address->family == 6) result = set_option(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    if (result < 0) return failed(descriptor, result);
    struct sockaddr_storage storage;
    socklen_t length = linux_to_sockaddr(address, &storage);
    if (bind(descriptor, (struct sockaddr *)&storage, length) < 0) return failed(descriptor, -errno);
    if (listen(descriptor, backlog) < 0) return failed(descriptor, -errno);
    return descriptor;
}

int linux_tcp_accept(int listener, struct linux_address *remote) {
    struct sockaddr_storage storage;
    socklen_t length = sizeof storage;
    int descriptor = accept4(listener, (struct sockaddr *)&storage, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (descriptor < 0) return -errno;
    linux_from_sockaddr(&storage, remote);
    int result = tune(descriptor);
    return result < 0 ? failed(descriptor, result) : descriptor;
}

int linux_socket_error(int descriptor) {
    int error = 0;
    socklen_t length = sizeof error;
    if (getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &length) < 0) return -errno;
    return -error;
}

int linux_resolve(const char *host, uint16_t port, struct linux_address *addresses, int capacity) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG | AI_NUMERICSERV};
    char service[8];
    snprintf(service, sizeof service, "%u", port);
    struct addrinfo *found;
    int result = getaddrinfo(host, service, &hints, &found);
    if (result == EAI_SYSTEM) return -errno;
    if (result != 0) return result == EAI_AGAIN ? -EAGAIN : -ENOENT;
    int count = 0;
    for (struct addrinfo *entry = found; entry && count < capacity; entry = entry->ai_next) {
        struct sockaddr_storage storage = {0};
        memcpy(&storage, entry->ai_addr, entry->ai_addrlen);
        linux_from_sockaddr(&storage, &addresses[count]);
        if (addresses[count].family != 0) count++;
    }
    freeaddrinfo(found);
    return count > 0 ? count : -ENOENT;
}
