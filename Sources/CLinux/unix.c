#include "CLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static int fill(struct sockaddr_un *address, const char *path) {
    size_t length = strlen(path);
    if (length >= sizeof address->sun_path) return -ENAMETOOLONG;
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    memcpy(address->sun_path, path, length);
    return 0;
}

static int failed(int descriptor) {
    int error = errno;
    close(descriptor);
    return -error;
}

static int connect_to(const char *path, int flags) {
    struct sockaddr_un address;
    int result = fill(&address, path);
    if (result < 0) return result;
    int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
    if (descriptor < 0) return -errno;
    if (connect(descriptor, (struct sockaddr *)&address, sizeof address) < 0) return failed(descriptor);
    return descriptor;
}

int linux_unix_connect(const char *path) {
    return connect_to(path, 0);
}

int linux_unix_connect_now(const char *path) {
    return connect_to(path, SOCK_NONBLOCK);
}

int linux_unix_listen(const char *path, unsigned mode) {
    struct sockaddr_un address;
    int result = fill(&address, path);
    if (result < 0) return result;
    struct stat status;
    if (lstat(path, &status) == 0) {
        if (!S_ISSOCK(status.st_mode)) return -EEXIST;
        int live = linux_unix_connect(path);
        if (live >= 0) {
            close(live);
            return -EADDRINUSE;
        }
        if (live != -ECONNREFUSED) return live;
        if (unlink(path) < 0) return -errno;
    }
    int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (descriptor < 0) return -errno;
    // The mode is set on the socket before bind() makes the file, so that it is never open to others.
    if (fchmod(descriptor, mode) < 0) return failed(descriptor);
    if (bind(descriptor, (struct sockaddr *)&address, sizeof address) < 0) return failed(descriptor);
    if (chmod(path, mode) < 0) return failed(descriptor);
    if (listen(descriptor, 64) < 0) return failed(descriptor);
    return descriptor;
}

int linux_unix_accept(int descriptor) {
    int connection = accept4(descriptor, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    return connection < 0 ? -errno : connection;
}

int linux_unix_credentials(int descriptor, int32_t *process, uint32_t *user, uint32_t *group) {
    struct ucred credentials;
    socklen_t length = sizeof credentials;
    if (getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &credentials, &length) < 0) return -errno;
    *process = credentials.pid;
    *user = credentials.uid;
    *group = credentials.gid;
    return 0;
}

int linux_datagram_pair(int *near, int *far) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0) return -errno;
    *near = ends[0];
    *far = ends[1];
    return 0;
}

ssize_t linux_send_bytes(int descriptor, const void *bytes, size_t count) {
    ssize_t sent = send(descriptor, bytes, count, MSG_NOSIGNAL);
    return sent < 0 ? -errno : sent;
}
