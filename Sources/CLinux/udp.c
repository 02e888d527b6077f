#include "CLinux.h"
#include "addresses.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

socklen_t linux_to_sockaddr(const struct linux_address *address, struct sockaddr_storage *storage) {
    if (address->family == 0) return 0;
    if (address->family == 6) {
        struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)storage;
        memset(v6, 0, sizeof *v6);
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(address->port);
        v6->sin6_scope_id = address->scope;
        memcpy(&v6->sin6_addr, address->bytes, 16);
        return sizeof *v6;
    }
    struct sockaddr_in *v4 = (struct sockaddr_in *)storage;
    memset(v4, 0, sizeof *v4);
    v4->sin_family = AF_INET;
    v4->sin_port = htons(address->port);
    memcpy(&v4->sin_addr, address->bytes, 4);
    return sizeof *v4;
}

void linux_from_sockaddr(const struct sockaddr_storage *storage, struct linux_address *address) {
    memset(address, 0, sizeof *address);
    if (storage->ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)storage;
        address->family = 6;
        address->port = ntohs(v6->sin6_port);
        address->scope = v6->sin6_scope_id;
        memcpy(address->bytes, &v6->sin6_addr, 16);
    } else if (storage->ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)storage;
        address->family = 4;
        address->port = ntohs(v4->sin_port);
        memcpy(address->bytes, &v4->sin_addr, 4);
    }
}

static int set_option(int descriptor, int level, int option, int value) {
    return setsockopt(descriptor, level, option, &value, sizeof value) < 0 ? -errno : 0;
}

int linux_udp_open(int family, bool want_gro) {
    int descriptor = socket(family == 6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (descriptor < 0) return -errno;
    int result;
    if (family == 6) {
        result = set_option(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, 1);
        if (result == 0) result = set_option(descriptor, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
        if (result == 0) result = set_option(descriptor, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DONT);
    } else {
        result = set_option(descriptor, IPPROTO_IP, IP_PKTINFO, 1);
        if (result == 0) result = set_option(descriptor, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT);
    }
    if (result < 0) {
        close(descriptor);
        return result;
    }
    if (want_gro) set_option(descriptor, IPPROTO_UDP, UDP_GRO, 1);  // Older kernels: single datagrams.
    return descriptor;
}

int linux_udp_has_gro(int descriptor) {
    int value = 0;
    socklen_t length = sizeof value;
    return getsockopt(descriptor, IPPROTO_UDP, UDP_GRO, &value, &length) == 0 && value != 0;
}

int linux_set_buffers(int descriptor, int bytes) {
    if (set_option(descriptor, SOL_SOCKET, SO_RCVBUFFORCE, bytes) < 0) {
        int result = set_option(descriptor, SOL_SOCKET, SO_RCVBUF, bytes);
        if (result < 0) return result;
    }
    if (set_option(descriptor, SOL_SOCKET, SO_SNDBUFFORCE, bytes) < 0) {
        return set_option(descriptor, SOL_SOCKET, SO_SNDBUF, bytes);
    }
    return 0;
}

int linux_set_mark(int descriptor, uint32_t mark) {
    return set_option(descriptor, SOL_SOCKET, SO_MARK, (int)mark);
}

int linux_share_port(int descriptor) {
    return set_option(descriptor, SOL_SOCKET, SO_REUSEADDR, 1);
}

int linux_bind(int descriptor, const struct linux_address *address) {
    struct sockaddr_storage storage;
    socklen_t length = linux_to_sockaddr(address, &storage);
    return bind(descriptor, (struct sockaddr *)&storage, length) < 0 ? -errno : 0;
}

int linux_bound_address(int descriptor, struct linux_address *address) {
    struct sockaddr_storage storage;
    socklen_t length = sizeof storage;
    if (getsockname(descriptor, (struct sockaddr *)&storage, &length) < 0) return -errno;
    linux_from_sockaddr(&storage, address);
    return 0;
}

int linux_connect(int descriptor, const struct linux_address *address) {
    struct sockaddr_storage storage;
    socklen_t length = linux_to_sockaddr(address, &storage);
    return connect(descriptor, (struct sockaddr *)&storage, length) < 0 ? -errno : 0;
}

int linux_duplicate(int descriptor) {
    int copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
    return copy < 0 ? -errno : copy;
}

// MARK: sending

enum { SEND_BATCH = 64 };

union send_control {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(uint16_t)) + CMSG_SPACE(sizeof(int))];
};

/// Appends one control message and returns the control bytes in use.
static size_t append_control(
    union send_control *control, size_t used, int level, int type, const void *value, size_t count) {
    struct cmsghdr *header = (struct cmsghdr *)(control->bytes + used);
    header->cmsg_level = level;
    header->cmsg_type = type;
    header->cmsg_len = CMSG_LEN(count);
    memcpy(CMSG_DATA(header), value, count);
    return used + CMSG_SPACE(count);
}

static size_t fill_control(const struct linux_outgoing *message, union send_control *control) {
    memset(control, 0, sizeof *control);
    size_t used = 0;
    if (message->segment > 0 && message->length > message->segment) {
        used = append_control(control, used, IPPROTO_UDP, UDP_SEGMENT, &message->segment, sizeof message->segment);
    }
    if (message->source.family == 4 && message->destination.family == 4) {
        struct in_pktinfo info = {.ipi_ifindex = (int)message->source.scope};
        memcpy(&info.ipi_spec_dst, message->source.bytes, 4);
        used = append_control(control, used, IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
    } else if (message->source.family == 6 && message->destination.family == 6) {
        struct in6_pktinfo info = {.ipi6_ifindex = message->source.scope};
        memcpy(&info.ipi6_addr, message->source.bytes, 16);
        used = append_control(control, used, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof info);
    }
    if (message->hop_limit > 0) {
        int limit = message->hop_limit;
        // A connected socket gets no destination; those that need a limit are of IPv4.
        bool is_ipv6 = message->destination.family == 6;
        used = append_control(
            control, used, is_ipv6 ? IPPROTO_IPV6 : IPPROTO_IP, is_ipv6 ? IPV6_HOPLIMIT : IP_TTL, &limit, sizeof limit);
    }
    return used;
}

int linux_send(int descriptor, const struct linux_outgoing *messages, int count) {
    struct mmsghdr headers[SEND_BATCH];
    struct iovec vectors[SEND_BATCH];
    struct sockaddr_storage destinations[SEND_BATCH];
    union send_control controls[SEND_BATCH];
    if (count > SEND_BATCH) count = SEND_BATCH;
    for (int i = 0; i < count; i++) {
        vectors[i] = (struct iovec){.iov_base = (void *)messages[i].data, .iov_len = messages[i].length};
        memset(&headers[i], 0, sizeof headers[i]);
        struct msghdr *header = &headers[i].msg_hdr;
        header->msg_namelen = linux_to_sockaddr(&messages[i].destination, &destinations[i]);
        if (header->msg_namelen > 0) header->msg_name = &destinations[i];
        header->msg_iov = &vectors[i];
        header->msg_iovlen = 1;
        header->msg_controllen = fill_control(&messages[i], &controls[i]);
        if (header->msg_controllen > 0) header->msg_control = &controls[i];
    }
    while (true) {
        int sent = sendmmsg(descriptor, headers, (unsigned)count, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent >= 0) return sent;
        if (errno != EINTR) return -errno;
    }
}

// MARK: receiving

union receive_control {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(int))];
};

struct linux_receiver {
    int count;
    size_t buffer_bytes;
    char *buffers;
    struct mmsghdr *headers;
    struct iovec *vectors;
    struct sockaddr_storage *sources;
    union receive_control *controls;
    struct linux_incoming *messages;
};

struct linux_receiver *linux_receiver_create(int count, size_t buffer_bytes) {
    struct linux_receiver *receiver = calloc(1, sizeof *receiver);
    if (!receiver) abort();
    size_t n = (size_t)count;
    receiver->count = count;
    receiver->buffer_bytes = buffer_bytes;
    receiver->buffers = malloc(n * buffer_bytes);
    receiver->headers = calloc(n, sizeof *receiver->headers);
    receiver->vectors = calloc(n, sizeof *receiver->vectors);
    receiver->sources = calloc(n, sizeof *receiver->sources);
    receiver->controls = calloc(n, sizeof *receiver->controls);
    receiver->messages = calloc(n, sizeof *receiver->messages);
    if (!receiver->buffers || !receiver->headers || !receiver->vectors || !receiver->sources || !receiver->controls
        || !receiver->messages) abort();
    for (size_t i = 0; i < n; i++) {
        receiver->vectors[i].iov_base = receiver->buffers + i * buffer_bytes;
        receiver->vectors[i].iov_len = buffer_bytes;
        receiver->messages[i].data = receiver->vectors[i].iov_base;
    }
    return receiver;
}

void linux_receiver_destroy(struct linux_receiver *receiver) {
    free(receiver->buffers);
    free(receiver->headers);
    free(receiver->vectors);
    free(receiver->sources);
    free(receiver->controls);
    free(receiver->messages);
    free(receiver);
}

static void read_control(struct msghdr *header, struct linux_incoming *message) {
    memset(&message->destination, 0, sizeof message->destination);
    message->segment = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c)) {
        if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO) {
            int segment;
            memcpy(&segment, CMSG_DATA(c), sizeof segment);
            message->segment = segment > 0 ? (uint32_t)segment : 0;
        } else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo info;
            memcpy(&info, CMSG_DATA(c), sizeof info);
            message->destination.family = 4;
            message->destination.scope = (uint32_t)info.ipi_ifindex;
            memcpy(message->destination.bytes, &info.ipi_addr, 4);
        } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo info;
            memcpy(&info, CMSG_DATA(c), sizeof info);
            message->destination.family = 6;
            message->destination.scope = info.ipi6_ifindex;
            memcpy(message->destination.bytes, &info.ipi6_addr, 16);
        }
    }
}

int linux_receive(int descriptor, struct linux_receiver *receiver) {
    for (int i = 0; i < receiver->count; i++) {
        struct msghdr *header = &receiver->headers[i].msg_hdr;
        *header = (struct msghdr){
            .msg_name = &receiver->sources[i],
            .msg_namelen = sizeof receiver->sources[i],
            .msg_iov = &receiver->vectors[i],
            .msg_iovlen = 1,
            .msg_control = &receiver->controls[i],
            .msg_controllen = sizeof receiver->controls[i],
        };
    }
    int count = recvmmsg(descriptor, receiver->headers, (unsigned)receiver->count, MSG_DONTWAIT, NULL);
    if (count < 0) return -errno;
    for (int i = 0; i < count; i++) {
        struct linux_incoming *message = &receiver->messages[i];
        message->length = receiver->headers[i].msg_len;
        message->truncated = receiver->headers[i].msg_hdr.msg_flags & MSG_TRUNC;
        linux_from_sockaddr(&receiver->sources[i], &message->source);
        read_control(&receiver->headers[i].msg_hdr, message);
    }
    return count;
}

const struct linux_incoming *linux_received(const struct linux_receiver *receiver, int index) {
    return &receiver->messages[index];
}
