#include "CSpawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int prepare(posix_spawn_file_actions_t *actions, int output, bool is_detached) {
    int error = posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (!error) error = posix_spawn_file_actions_adddup2(actions, output, STDOUT_FILENO);
    if (!error) error = posix_spawn_file_actions_adddup2(actions, output, STDERR_FILENO);
    if (!error) error = posix_spawn_file_actions_addclosefrom_np(actions, STDERR_FILENO + 1);
    if (!error && is_detached) error = posix_spawn_file_actions_addchdir_np(actions, "/");
    return error;
}

static int run(char **arguments, int output, bool is_detached, pid_t *process) {
    posix_spawn_file_actions_t actions;
    int error = posix_spawn_file_actions_init(&actions);
    if (error) return error;
    posix_spawnattr_t attributes;
    error = posix_spawnattr_init(&attributes);
    if (error) {
        posix_spawn_file_actions_destroy(&actions);
        return error;
    }
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
    if (is_detached) flags |= POSIX_SPAWN_SETSID;
    posix_spawnattr_setflags(&attributes, flags);

    static char default_path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
    char *environment[] = {default_path, NULL};
    for (char **entry = environ; *entry; entry++) {
        if (strncmp(*entry, "PATH=", 5) == 0) environment[0] = *entry;
    }
    error = prepare(&actions, output, is_detached);
    if (!error) error = posix_spawnp(process, arguments[0], &actions, &attributes, arguments, environment);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return error;
}

pid_t spawn_start(const char *words, size_t size, int output, bool is_detached) {
    size_t count = 0;
    for (size_t index = 0; index < size; index++) count += words[index] == 0;
    if (count == 0 || words[size - 1] != 0) return -EINVAL;
    char **arguments = calloc(count + 1, sizeof *arguments);
    if (!arguments) return -ENOMEM;
    const char *word = words;
    for (size_t index = 0; index < count; index++) {
        arguments[index] = (char *)word;
        word += strlen(word) + 1;
    }
    pid_t process = 0;
    int error = run(arguments, output, is_detached, &process);
    free(arguments);
    return error ? -error : process;
}

int spawn_wait(pid_t process, bool blocks) {
    int status = 0;
    pid_t ended;
    do ended = waitpid(process, &status, blocks ? 0 : WNOHANG);
    while (ended < 0 && errno == EINTR);
    if (ended != process) return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int spawn_pipe(int *input, int *output) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0) return -errno;
    *input = ends[0];
    *output = ends[1];
    return 0;
}
