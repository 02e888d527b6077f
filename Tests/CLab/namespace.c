#define _GNU_SOURCE
#include "CLab.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

struct request {
    const char *path;
    int family;
    int type;
    int result;
};

static void *make_socket(void *argument) {
    struct request *request = argument;
    int namespace = open(request->path, O_RDONLY | O_CLOEXEC);
    if (namespace < 0) {
        request->result = -errno;
        return NULL;
    }
    if (setns(namespace, CLONE_NEWNET) != 0) {
        request->result = -errno;
    } else {
        int descriptor = socket(request->family, request->type | SOCK_CLOEXEC, 0);
        request->result = descriptor < 0 ? -errno : descriptor;
    }
    close(namespace);
    return NULL;
}

/* A thread of its own changes namespace and ends, so no other thread is ever in the wrong one. */
int clab_socket_in_namespace(const char *path, int family, int type) {
    struct request request = {path, family, type, 0};
    pthread_t thread;
    int failure = pthread_create(&thread, NULL, make_socket, &request);
    if (failure != 0) return -failure;
    pthread_join(thread, NULL);
    return request.result;
}

int clab_pipe(int ends[2]) { return pipe2(ends, O_CLOEXEC) == 0 ? 0 : -errno; }
